/** One fault in the evidence: its start, what was SEEN of it, its end. */
import { hasCode } from '../../core/errors.ts';
import type { EvidenceWriter } from './evidence-writer.ts';
import type { PlannedFault } from './plan.ts';
import type { FaultNews, Report, Setting } from './run.ts';

export class FaultLog {
  readonly #evidence: EvidenceWriter;
  readonly #report: Report;
  readonly #about: {
    readonly id: string;
    readonly fault: string;
    readonly target: string;
  };
  readonly #startedMs: number;
  readonly #effects: string[] = [];

  constructor(
    { evidence, report }: Pick<Setting, 'evidence' | 'report'>,
    planned: PlannedFault,
    parameters: Parameters = {},
  ) {
    const { id, fault, target, holdMs } = planned;
    this.#report = report;
    this.#evidence = evidence;
    this.#about = { id, fault, target };
    this.#startedMs = evidence.now();
    const start = { kind: 'start', parameters: { holdMs, ...parameters } } as const;
    evidence.write('fault', { t: this.#startedMs, ...this.#about, ...start });
    this.#tell('start', '');
  }

  get effects(): readonly string[] {
    return this.#effects;
  }

  /** Milliseconds since it began. */
  get ms(): number {
    return this.#evidence.now() - this.#startedMs;
  }

  /** Something that was seen, and that would not have been without the fault. */
  saw(effect: string): void {
    this.#effects.push(effect);
    this.#evidence.write('fault', {
      ...{ t: this.#evidence.now(), ...this.#about },
      ...{ kind: 'effect', effect },
    });
    this.#tell('seen', effect);
  }

  end(isHealed: boolean): void {
    this.#evidence.write('fault', {
      ...{ t: this.#evidence.now(), ...this.#about },
      ...{ kind: 'end', ok: isHealed, ms: this.ms },
    });
    this.#tell('end', isHealed ? '' : 'not healed in time');
  }

  #tell(state: FaultNews['state'], words: string): void {
    const { fault, target } = this.#about;
    this.#report.fault?.({ fault, target, state, words });
  }
}

type Parameters = Readonly<Record<string, string | number>>;

/** Waits for the state before the fault; false when it does not come in time. */
export async function isHealed(healing: () => Promise<unknown>): Promise<boolean> {
  try {
    await healing();
    return true;
  } catch (error) {
    if (hasCode(error, 'TIMEOUT')) return false;
    throw error;
  }
}

/** Null when it did not come in time: then there is nothing to tell. */
export async function unlessLate<T>(look: Promise<T>): Promise<T | null> {
  try {
    return await look;
  } catch (error) {
    if (hasCode(error, 'TIMEOUT')) return null;
    throw error;
  }
}
