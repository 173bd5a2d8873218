/** The questions of `stress two-way` in a terminal: one set, each with what an empty answer means. */
import { createInterface } from 'node:readline';
import {
  FAULT_LEVELS,
  type FaultLevel,
  SCALES,
  type ScaleName,
  WORKLOADS,
  type Workload,
} from '../bench/twoway/options.ts';

/** What the questions are about. */
export type Answers = {
  readonly server?: string;
  readonly postgres?: string;
  readonly scale?: ScaleName;
  readonly rls?: boolean;
  readonly schema?: string;
  readonly workload?: Workload;
  readonly faults?: FaultLevel;
};

/** Wrong answers to one question. */
const TRIES_MAX = 5;

type Question = {
  readonly text: string;
  /** Undefined: ask again. */
  readonly read: (answer: string) => Answers | undefined;
};

const QUESTIONS: readonly Question[] = [
  {
    text: 'Server address (empty: one of our own): ',
    read: (answer) => (answer === '' ? {} : URL.canParse(answer) ? { server: answer } : undefined),
  },
  {
    text: 'Postgres connection string (empty: an embedded one): ',
    read: (answer) =>
      answer === '' ? {} : URL.canParse(answer) ? { postgres: answer } : undefined,
  },
  choice('Scale', Object.keys(SCALES), (scale) => ({ scale: scale as ScaleName })),
  {
    text: 'Row-level security (y or n; empty: n): ',
    read: (answer) => (/^(?:y|yes|n|no|)$/i.test(answer) ? { rls: /^y/i.test(answer) } : undefined),
  },
  {
    text: 'File with the CREATE TABLE statement (empty: test_sync): ',
    read: (answer) => (answer === '' ? {} : { schema: answer }),
  },
  choice('Workload', WORKLOADS, (workload) => ({
    workload: workload as Workload,
  })),
  choice('Faults', FAULT_LEVELS, (faults) => ({ faults: faults as FaultLevel })),
];

function choice(
  name: string,
  words: readonly string[],
  flags: (word: string) => Answers,
): Question {
  return {
    text: `${name} (${words.join(', ')}; empty: ${words[0]}): `,
    read: (answer) => {
      const word = answer === '' ? words[0] : answer;
      return word !== undefined && words.includes(word) ? flags(word) : undefined;
    },
  };
}

/** Asks all of them. An answer that is none is asked for again, a few times. */
export async function ask(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<Answers> {
  const lines = createInterface({ input, output });
  // A queue: answers that were pasted at once are not lost.
  const typed = lines[Symbol.asyncIterator]();
  const next = async (text: string): Promise<string> => {
    output.write(text);
    const { value, done } = await typed.next();
    return done === true ? '' : value;
  };
  try {
    let flags: Answers = {};
    for (const question of QUESTIONS) {
      flags = { ...flags, ...(await answerTo(question, next)) };
    }
    return flags;
  } finally {
    lines.close();
  }
}

async function answerTo(
  { text, read }: Question,
  question: (text: string) => Promise<string>,
): Promise<Answers> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const flags = read((await question(text)).trim());
    if (flags !== undefined) return flags;
  }
  return {};
}
