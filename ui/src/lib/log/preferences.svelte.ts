const KEY = 'reprise-log';

interface Kept {
  wraps: boolean;
  showsTimes: boolean;
}

/** How a person likes logs to be shown; kept in this browser. */
class LogPreferences {
  #kept = $state.raw<Kept>(stored());

  get wraps(): boolean {
    return this.#kept.wraps;
  }

  set wraps(wraps: boolean) {
    this.#keep({ ...this.#kept, wraps });
  }

  get showsTimes(): boolean {
    return this.#kept.showsTimes;
  }

  set showsTimes(showsTimes: boolean) {
    this.#keep({ ...this.#kept, showsTimes });
  }

  #keep(kept: Kept): void {
    this.#kept = kept;
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // A browser that keeps nothing still shows the choice until the page is left.
    }
  }
}

function stored(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Kept>;
    return { wraps: kept.wraps === true, showsTimes: kept.showsTimes === true };
  } catch {
    return { wraps: false, showsTimes: false };
  }
}

export const preferences = new LogPreferences();
