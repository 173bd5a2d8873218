/** Faults of a receiver. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkFault } from '../proxy/fault-proxy.ts';
import { isAlive } from './launched.ts';
import type { ReceiverProcess } from './receiver-process.ts';
import type { FaultWork } from './server-faults.ts';

/** The signal needs its time. */
const STOPPED_MS_MAX = 50;

/** `kill -9`, and another life that goes on where the file stands. */
export async function killReceiver(work: FaultWork, receiver: ReceiverProcess): Promise<void> {
  const { log, stage, planned } = work;
  await receiver.ready(stage.signal);
  const pid = receiver.process?.pid ?? 0;
  await receiver.process?.kill();
  const { position } = receiver;
  if (!isAlive(pid)) log.saw(`process ${pid} is gone; it had told of ${position}`);
  await sleep(planned.holdMs, undefined, { signal: stage.signal });
  receiver.start();
  const { position: resumed, isNew } = await receiver.ready(stage.signal);
  const how = isNew ? 'COPIED ANEW' : 'resumed';
  log.saw(`life ${receiver.life} ${how} at ${resumed}`);
}

export async function freezeReceiver(work: FaultWork, receiver: ReceiverProcess): Promise<void> {
  const { log, stage, planned } = work;
  await receiver.ready(stage.signal);
  const frozenAtMs = stage.evidence.now();
  receiver.process?.freeze();
  try {
    await sleep(planned.holdMs, undefined, { signal: stage.signal });
    // By its own clock: what it had told before may arrive late.
    if (receiver.appliedAtMs <= frozenAtMs + STOPPED_MS_MAX) {
      log.saw(`stood still at ${receiver.position} for ${planned.holdMs} ms`);
    }
  } finally {
    receiver.process?.thaw();
  }
}

/** The whole database is thrown away; a new copy is made while everybody writes. */
export async function forgetReceiver(work: FaultWork, receiver: ReceiverProcess): Promise<void> {
  const { log, stage } = work;
  await receiver.ready(stage.signal);
  const { position, copies } = receiver;
  const anew = await receiver.forget(stage.signal);
  if (receiver.copies > copies)
    log.saw(`threw away what it had at ${position}, new copy at ${anew}`);
}

/** Something between the receiver and the server, for a while. */
export async function disturbReceiver(
  work: FaultWork,
  receiver: ReceiverProcess,
  fault: NetworkFault,
): Promise<void> {
  const { log, stage, planned } = work;
  await receiver.ready(stage.signal);
  const { proxy } = receiver;
  if (proxy === null) return;
  proxy.inject(fault);
  try {
    await sleep(planned.holdMs, undefined, { signal: stage.signal });
  } finally {
    for (const effect of await proxy.heal()) log.saw(effect);
  }
}
