// The tabs, which replace the editor's own: with the titles of the tour, on as many lines as they need.
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { type KeyboardEvent, useEffect, useRef } from "react";
import * as session from "./session";
import type { Settings } from "./settings";

/** The title of a tab: that of its tour step, else the name of its operation. */
function titleOf(tab: session.Tab, isDemo: boolean): string {
  const name = session.operationOf(tab);
  return (isDemo && session.stepOf(name)?.title) || name || "New";
}

export function TabStrip({ settings, showExamples }: { settings: Settings; showExamples: () => void }) {
  const { tabs, index } = useGraphiQL((state) => ({ tabs: state.tabs, index: state.activeTabIndex }));
  const { addTab, changeTab, closeTab } = useGraphiQLActions();
  const isDemo = settings.tokens.length > 0;
  const strip = useRef<HTMLDivElement>(null);
  useInheritedTokens(tabs, index, isDemo);
  const active = tabs[index]?.id;
  useEffect(() => {
    strip.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [active]);

  function onKeyDown(event: KeyboardEvent) {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || !tabs[to]) return;
    event.preventDefault();
    changeTab(to);
    strip.current?.querySelectorAll<HTMLElement>('[role="tab"]')[to]?.focus();
  }

  return (
    <nav id="tabs" aria-label="Documents">
      <div role="tablist" ref={strip} onKeyDown={onKeyDown}>
        {tabs.map((tab, at) => (
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
            {tabs.length > 1 && (
              <button type="button" className="close" tabIndex={-1} aria-label={`Close ${titleOf(tab, isDemo)}`} onClick={() => closeTab(at)}>
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
