/** Writes down what the databases and the server tell, as it comes. */
import { join } from 'node:path';
import type { EvidenceWriter } from '../stress/evidence-writer.ts';
import { type FaultSeen, FILES, type StepEvent, type TroubleEvent } from './evidence.ts';
import { JsonLines } from './json-lines.ts';
import { Spells, serverErrors, troubleOf } from './troubles.ts';
import type { WorkerNews } from './worker-news.ts';

export class Recorder {
  readonly spells = new Spells();
  readonly faults: FaultSeen[] = [];
  readonly finished: number[] = [];
  steps = 0;
  readonly #evidence: EvidenceWriter;
  readonly #steps: JsonLines<StepEvent>;
  readonly #troubles: JsonLines<TroubleEvent>;

  constructor(dir: string, evidence: EvidenceWriter) {
    this.#evidence = evidence;
    this.#steps = new JsonLines(join(dir, FILES.steps));
    this.#troubles = new JsonLines(join(dir, FILES.troubles));
  }

  now(): number {
    return this.#evidence.now();
  }

  take(database: number, news: WorkerNews): void {
    if (news.kind === 'finished') this.finished.push(database);
    if (news.kind === 'trouble') this.trouble({ ...news, database });
    if (news.kind !== 'done') return;
    const { step, ms, count, isSkipped } = news;
    this.steps += 1;
    this.#steps.write({
      ...{ t: this.now(), database, iteration: step.iteration, step: step.index },
      ...{ name: step.name, ms, count, isSkipped },
    });
  }

  trouble(what: Parameters<typeof troubleOf>[0]): void {
    const { t, database, iteration, code, message } = what;
    this.#troubles.write(troubleOf({ t, database, iteration, code, message }, this.spells));
  }

  /** A fault, once it is over. */
  fault(seen: FaultSeen): void {
    this.faults.push(seen);
  }

  /** After the end of the server: what it said that went wrong. */
  addServerErrors(path: string): void {
    for (const { t, message } of serverErrors(path, this.#evidence.startedAtMs)) {
      this.trouble({ t, database: 0, iteration: 0, code: 'SERVER', message });
    }
  }

  close(): void {
    this.#steps.close();
    this.#troubles.close();
  }
}
