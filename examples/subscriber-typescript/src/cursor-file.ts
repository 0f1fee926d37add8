// Where the follower stands in the log, kept in a file.

import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** The last event that was handled: its cursor, and its id. */
export interface Place {
  readonly cursor: string;
  readonly eventId: string | null;
}

export class CursorFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** What was kept last; null when nothing was. */
  async read(): Promise<Place | null> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
    const { cursor, eventId } = JSON.parse(text) as Place;
    return { cursor, eventId };
  }

  /**
   * Keeps a place. A file beside it is written whole, brought to the disk, and put in its stead in one step: whoever
   * ends this process, and whenever, the file holds the place before or the place after.
   */
  async write(place: Place): Promise<void> {
    const beside = `${this.#path}.new`;
    const file = await open(beside, "w");
    try {
      await file.writeFile(JSON.stringify(place));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
    await syncDirectory(dirname(this.#path));
  }
}

/** Brings the renaming to the disk, where the system can. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
