/** The live view of the engine, for every part of the page. */
import { useEffect, useState } from 'preact/hooks';
import type { EngineLive } from '../protocol/dashboard.ts';
import { type LiveState, LiveStream } from './live.ts';

const engine = new LiveStream('/v1/live');

/** Draws again at most once a frame, however many events came. */
export function useLive(): LiveState {
  const [state, setState] = useState(engine.state);
  useEffect(() => {
    let frame = 0;
    const leave = engine.subscribe(() => {
      if (frame !== 0) return;
      frame = requestAnimationFrame(() => {
        frame = 0;
        setState(engine.state);
      });
    });
    return () => {
      cancelAnimationFrame(frame);
      leave();
    };
  }, []);
  return state;
}

/** Null until it is known. */
export function engineOf({ view }: LiveState): EngineLive | null {
  return view as EngineLive | null;
}
