// The follower's position in the log, stored in a file.

import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** The last event that was handled: its cursor and its id. */
export interface Place {
  readonly cursor: string;
  readonly eventId: string | null;
}

export class CursorFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The stored position; null when there is none. */
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
   * Stores a position. Writes a second file completely, syncs it to the disk, and renames it. Whenever the process
   * ends, the file has either the old position or the new one.
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

/** Syncs the renaming to the disk, where the system supports that. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
