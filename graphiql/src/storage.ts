// Where the editor keeps what. In the demo its tabs go with the window, as what was written there is about a world
// that goes too; the theme, the history and the sizes of the panes stay. Elsewhere all of it stays.

const OF_THE_WINDOW = ["tabState", "query", "variables", "headers", "operationName"].map((name) => `graphiql:${name}`);

const placeOf = (key: string): Storage => (OF_THE_WINDOW.includes(key) ? sessionStorage : localStorage);

/** Whether the page is about to be loaded anew. */
let isForgotten = false;

/** The demo's storage, with the part of `Storage` that the editor uses. */
export const DEMO_STORAGE = {
  get length() {
    return localStorage.length;
  },
  getItem: (key: string) => placeOf(key).getItem(key),
  setItem(key: string, value: string) {
    // The editor stores its tabs a moment after they change: once more before the page goes.
    if (isForgotten && OF_THE_WINDOW.includes(key)) return;
    placeOf(key).setItem(key, value);
  },
  removeItem: (key: string) => placeOf(key).removeItem(key),
  clear() {
    for (const key of OF_THE_WINDOW) sessionStorage.removeItem(key);
  },
};

/** Forgets the tabs for good, so that the page, when it is loaded anew, begins with those of the tour. */
export function forgetTabs() {
  DEMO_STORAGE.clear();
  isForgotten = true;
}
