// The tabs, which replace the editor's own: with the titles of the tour, on as many lines as they need.
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { type KeyboardEvent, useEffect, useRef } from "react";
import type { Tour } from "../tour.js";
import * as session from "./session";
import type { Settings } from "./settings";

/** The title of a tab: that of its tour step, else the name of its operation. */
function titleOf(tab: session.Tab, isDemo: boolean): string {
  const name = session.operationOf(tab);
  return (isDemo && session.stepOf(name)?.title) || name || "New";
}

/** The tabs of a tour, and those that the user has opened. */
export function TabStrip({ settings, tour, showExamples }: { settings: Settings; tour: Tour | undefined; showExamples: () => void }) {
  const { tabs, index } = useGraphiQL((state) => ({ tabs: state.tabs, index: state.activeTabIndex }));
  const { addTab, changeTab, closeTab } = useGraphiQLActions();
  const isDemo = settings.tokens.length > 0;
  const strip = useRef<HTMLDivElement>(null);
  useInheritedTokens(tabs, index, isDemo);
  const active = tabs[index]?.id;
  // The tabs of the other tours stay open, but aren't shown.
  const shown = tabs.map((tab, at) => ({ tab, at })).filter(({ tab }) => {
    const other = isDemo ? session.tourOf(session.stepOf(session.operationOf(tab))) : undefined;
    return !other || other === tour;
  });
  useEffect(() => {
    strip.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [active]);

  function onKeyDown(event: KeyboardEvent) {
    const here = shown.findIndex(({ at }) => at === index);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: shown.length - 1 }[event.key];
    const next = to === undefined ? undefined : shown[to];
    if (to === undefined || !next) return;
    event.preventDefault();
    changeTab(next.at);
    strip.current?.querySelectorAll<HTMLElement>('[role="tab"]')[to]?.focus();
  }

  /** Closes the tab in view, and shows its neighbour in the same strip. */
  function close(at: number) {
    const before = shown.filter((each) => each.at < at).at(-1);
    const after = shown.find((each) => each.at > at);
    closeTab(at);
    // The tabs after the closed one have moved up by one.
    if (before) changeTab(before.at);
    else if (after) changeTab(after.at - 1);
  }

  return (
    <nav id="tabs" aria-label="Documents">
      <div role="tablist" ref={strip} onKeyDown={onKeyDown}>
        {shown.map(({ tab, at }) => (
          <span key={tab.id} className="tab" data-active={at === index || undefined}>
            <button
              type="button"
              role="tab"
              aria-selected={at === index}
              aria-controls="graphiql-session"
              tabIndex={at === index ? 0 : -1}
              onClick={() => at !== index && changeTab(at)}
            >
              {titleOf(tab, isDemo)}
            </button>
            {shown.length > 1 && (
              <button type="button" className="close" tabIndex={-1} aria-label={`Close ${titleOf(tab, isDemo)}`} onClick={() => close(at)}>
                ×
              </button>
            )}
          </span>
        ))}
        <button type="button" id="new-tab" aria-label="New tab" title="A new tab, with the token of this one" onClick={addTab}>
          +
        </button>
        <button type="button" id="examples" title="A document for each operation of the schema" onClick={showExamples}>
          Examples
        </button>
      </div>
    </nav>
  );
}

/** Gives a new tab the token of the tab from which it was opened, unless it has one. */
function useInheritedTokens(tabs: readonly session.Tab[], index: number, isDemo: boolean) {
  const known = useRef<{ ids: Set<string>; active: session.Tab | undefined }>({ ids: new Set(tabs.map(({ id }) => id)), active: tabs[index] });
  const { ids, active } = known.current;
  for (const { id } of tabs) {
    // During rendering, so that child components already see the token.
    if (ids.has(id)) continue;
    ids.add(id);
    if (active) session.inheritToken(id, session.tokenOf(active.id, isDemo ? session.stepOf(session.operationOf(active)) : undefined));
  }
  known.current.active = tabs[index];
}
