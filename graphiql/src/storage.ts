// Where the editor keeps what. In the demo its tabs go with the window, as what was written there is about a world
// that goes too; the theme, the history and the sizes of the panes stay. Elsewhere all of it stays.

const OF_THE_WINDOW = ["tabState", "query", "variables", "headers", "operationName"].map((name) => `graphiql:${name}`);

const placeOf = (key: string): Storage => (OF_THE_WINDOW.includes(key) ? sessionStorage : localStorage);

/** The demo's storage, with the part of `Storage` that the editor uses. */
export const DEMO_STORAGE = {
  get length() {
    return localStorage.length;
  },
  getItem: (key: string) => placeOf(key).getItem(key),
  setItem: (key: string, value: string) => placeOf(key).setItem(key, value),
  removeItem: (key: string) => placeOf(key).removeItem(key),
  clear() {
    for (const key of OF_THE_WINDOW) sessionStorage.removeItem(key);
  },
};

/** Forgets the tabs, so that the page begins with those of the tour. */
export const forgetTabs = () => DEMO_STORAGE.clear();
