/** A log on the page: its window, whether its end is followed, and where the reader of it has scrolled to. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { LogPlace } from '../../protocol/run-files.ts';
import { ApiError, ask, range } from '../api.ts';
import { LogReader, type LogSource } from './log-reader.ts';
import { fileQuery, type LogFile } from './log-search.ts';
import { EMPTY_WINDOW, type LogWindow } from './log-window.ts';

const FOLLOW_MS = 500;
/** So near to an edge, more is read. */
const EDGE_PX = 600;
/** So near to the end, it is the end. */
const END_PX = 40;

type Holder = { current: HTMLElement | null };

export type LogScroll = {
  readonly window: LogWindow;
  readonly holder: Holder;
  readonly isFollowing: boolean;
  readonly onScroll: () => void;
  readonly earlier: () => void;
  readonly later: () => void;
};

export type ShownLog = LogScroll & {
  readonly error: ApiError | null;
  /** Where the line begins that was jumped to. */
  readonly chosen: number | null;
  readonly follow: (isFollowing: boolean) => void;
  readonly toByte: (byte: number, line: number | null) => void;
  readonly toLine: (line: number) => void;
};

/** Where to scroll when what has changed is drawn. */
type Plan = { readonly byte: number; readonly top: number | null };

type LogWish = LogFile & { readonly isOpen: boolean; readonly line: number | null };

export function useLog(wish: LogWish): ShownLog {
  const { isOpen, line } = wish;
  const [isFollowing, setFollowing] = useState(line === null);
  const [chosen, setChosen] = useState<number | null>(null);
  const holder = useRef<HTMLElement>(null);
  const { plan, settle } = useScroll(holder, isFollowing);
  const { reader, window, error, run } = useReader(wish, () => {
    plan.current ??= anchorOf(holder.current);
  });
  useLayoutEffect(settle, [window, chosen, isFollowing]);
  useFollowing({ reader, run, isFollowing, isOpen });
  useEffect(() => {
    if (window.first === null && reader !== null) run(reader.count());
  }, [window.first === null, reader]);
  const jump = (to: (from: LogReader) => Promise<number>): void => {
    if (reader === null) return;
    setFollowing(false);
    const show = async (): Promise<void> => {
      const byte = await to(reader);
      plan.current = { byte, top: null };
      setChosen(null);
      setChosen(byte);
    };
    run(show());
  };
  const toLine = (wanted: number): void => jump((from) => from.toLine(wanted));
  useEffect(() => {
    if (line !== null) toLine(line);
  }, [line, reader]);
  const lastTop = useRef(0);
  const onScroll = (): void => {
    const element = holder.current;
    if (element === null || reader === null) return;
    const isUp = element.scrollTop < lastTop.current;
    lastTop.current = element.scrollTop;
    const below = element.scrollHeight - element.clientHeight - element.scrollTop;
    if (isFollowing && isUp && below > END_PX) setFollowing(false);
    if (isUp && element.scrollTop < EDGE_PX) run(reader.earlier());
    if (!isUp && !isFollowing && below < EDGE_PX) run(reader.later());
  };
  return {
    ...{ window, holder, isFollowing, onScroll, error, chosen, toLine },
    earlier: () => reader !== null && run(reader.earlier()),
    later: () => reader !== null && run(reader.later()),
    follow: (wanted) => {
      setFollowing(wanted);
      if (wanted && reader !== null) run(reader.toEnd());
    },
    toByte: (byte, known) => jump((from) => from.toByte(byte, known)),
  };
}

type Reading = {
  readonly reader: LogReader | null;
  readonly window: LogWindow;
  readonly error: ApiError | null;
  readonly run: (work: Promise<unknown>) => void;
};

/** `onMove`: what is in sight will be drawn elsewhere. */
function useReader({ testId, file, isOpen }: LogWish, onMove: () => void): Reading {
  const [reader, setReader] = useState<LogReader | null>(null);
  const [window, setWindow] = useState(EMPTY_WINDOW);
  const [error, setError] = useState<ApiError | null>(null);
  const isOpenNow = useRef(isOpen);
  isOpenNow.current = isOpen;
  useEffect(() => {
    if (file === '') return;
    const abort = new AbortController();
    const made = new LogReader(sourceOf({ testId, file }, abort.signal), () => {
      onMove();
      setWindow(made.window);
    });
    setReader(made);
    return () => {
      made.close();
      abort.abort();
    };
  }, [testId, file]);
  const run = (work: Promise<unknown>): void => {
    work.then(
      () => setError(null),
      (failure: unknown) => {
        const told = apiError(failure);
        // Not yet written is no fault of a test that runs.
        if (told !== null && !(told.code === 'NOT_FOUND' && isOpenNow.current)) setError(told);
      },
    );
  };
  return { reader, window, error, run };
}

/** Null: it was ended on purpose. */
function apiError(failure: unknown): ApiError | null {
  if (failure instanceof ApiError) return failure;
  if (failure instanceof DOMException && failure.name === 'AbortError') return null;
  return new ApiError('PAGE', String(failure), '');
}

function sourceOf(log: LogFile, signal: AbortSignal): LogSource {
  return {
    read: (from, bytes) => {
      const query = fileQuery(log);
      query.set('bytes', `${bytes}`);
      if (from !== null) query.set('from', `${from}`);
      return range(`/runs/v1/log?${query}`, signal);
    },
    place: ({ byte, line }, wanted) => {
      const query = fileQuery(log);
      query.set('from', `${byte}`);
      query.set('line', `${line}`);
      if ('line' in wanted) query.set('toLine', `${wanted.line}`);
      else query.set('toByte', `${wanted.byte}`);
      return ask<LogPlace>(`/runs/v1/log/place?${query}`, signal);
    },
  };
}

type Following = Pick<Reading, 'reader' | 'run'> & {
  readonly isFollowing: boolean;
  readonly isOpen: boolean;
};

/** The end first; then, while more may come, what has come. */
function useFollowing({ reader, run, isFollowing, isOpen }: Following): void {
  useEffect(() => {
    if (!isFollowing || reader === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        await reader.follow();
      } finally {
        if (isOpen) timer = setTimeout(() => run(look()), FOLLOW_MS);
      }
    };
    run(look());
    return () => clearTimeout(timer);
  }, [reader, isFollowing, isOpen]);
}

function useScroll(holder: Holder, isFollowing: boolean) {
  const plan = useRef<Plan | null>(null);
  const settle = (): void => {
    const element = holder.current;
    const wanted = plan.current;
    plan.current = null;
    if (element === null) return;
    if (isFollowing) element.scrollTop = element.scrollHeight;
    else if (wanted !== null) scrollTo(element, wanted);
  };
  return { plan, settle };
}

function scrollTo(element: HTMLElement, { byte, top }: Plan): void {
  const line = element.querySelector(`[data-byte="${byte}"]`);
  if (line === null) return;
  if (top === null) line.scrollIntoView({ block: 'center' });
  else element.scrollTop += line.getBoundingClientRect().top - top;
}

/** The first line in sight, and where it stands. */
function anchorOf(element: HTMLElement | null): Plan | null {
  if (element === null) return null;
  const lines = element.querySelectorAll<HTMLElement>('li');
  const edge = element.getBoundingClientRect().top;
  let [low, high] = [0, lines.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    const isAbove = (lines[middle]?.getBoundingClientRect().bottom ?? 0) <= edge;
    [low, high] = isAbove ? [middle + 1, high] : [low, middle];
  }
  const first = lines[low];
  if (first === undefined) return null;
  return { byte: Number(first.dataset.byte), top: first.getBoundingClientRect().top };
}
