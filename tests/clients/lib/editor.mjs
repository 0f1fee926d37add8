// Actions of the tests in the editor.
import assert from "node:assert/strict";

/** The tabs of the first tour. */
export const STEPS = [
  "1 Packs", "2 A pack", "3 Preview", "4 Schedule", "5 Offers to Acme", "6 Apply early", "7 Watch", "8 Past midnight",
  "9 Globex", "10 Leave behind", "11 Share again", "12 Event log", "13 Audit log", "14 Follow updates",
];

/** The tabs of the second tour. */
export const STAGES = [
  "1 Under way", "2 Schedule", "3 Pilots", "4 Acme reports", "5 A tenth", "6 Halted", "7 Take back", "8 Roll back",
];

/** The tab of a step of the first tour by its number, or a tab by its title. */
export const tab = (page, step) => page.getByRole("tab", { name: typeof step === "number" ? STEPS[step - 1] : step, exact: true });
export const run = (page) => page.locator(".graphiql-execute-button").click();

/** The text of an editor, without the line breaks for display. */
export const text = async (page, where) => (await page.locator(`${where} .view-line`).allTextContents()).join("").replace(/\u00a0/g, " ");

/**
 * Waits until an editor shows a text, which it draws with a delay.
 *
 * Spaces don't count: the editor breaks a long line where it likes, and indents the rest. A secret or an identifier
 * is random, so it breaks elsewhere in each run.
 */
export async function shows(page, where, wanted) {
  const pattern = (wanted.source ?? wanted).replaceAll(" ", "");
  await page
    .waitForFunction(
      ({ where, pattern }) => {
        const lines = [...document.querySelectorAll(`${where} .view-line`)].map((line) => line.textContent);
        return new RegExp(pattern).test(lines.join("").replace(/\s/g, ""));
      },
      { where, pattern },
      { timeout: 20_000 },
    )
    .catch(async (error) => {
      assert.fail(`${where} doesn't show ${wanted}, but ${await text(page, where)} (${error.message})`);
    });
}

/** Waits until the answer has a text. */
export const answers = (page, wanted) => shows(page, ".result-window", wanted);
