// The editor's storage. In the demo its tabs are in the session storage, because they are about a world that doesn't
// last; the theme, the history and the sizes of the panes are in the local storage. Elsewhere everything is in the
// local storage.

const OF_THE_WINDOW = ["tabState", "query", "variables", "headers", "operationName"].map((name) => `graphiql:${name}`);

const placeOf = (key: string): Storage => (OF_THE_WINDOW.includes(key) ? sessionStorage : localStorage);

/** Whether the page is about to be reloaded. */
let isForgotten = false;

/** The demo's storage, with the part of `Storage` that the editor uses. */
export const DEMO_STORAGE = {
  get length() {
    return localStorage.length;
  },
  getItem: (key: string) => placeOf(key).getItem(key),
  setItem(key: string, value: string) {
    // The editor stores its tabs with a delay, and would store them once more before the reload.
    if (isForgotten && OF_THE_WINDOW.includes(key)) return;
    placeOf(key).setItem(key, value);
  },
  removeItem: (key: string) => placeOf(key).removeItem(key),
  clear() {
    for (const key of OF_THE_WINDOW) sessionStorage.removeItem(key);
  },
};

/** Deletes the tabs, so that the reloaded page begins with those of the tour. */
export function forgetTabs() {
  DEMO_STORAGE.clear();
  isForgotten = true;
}
