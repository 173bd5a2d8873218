/** Where the page starts. */
import 'uplot/dist/uPlot.min.css';
import './app.css';
import { type ComponentType, type JSX, render } from 'preact';
import { useEffect } from 'preact/hooks';
import { EnginePage } from './pages/engine.tsx';
import { ExplainPage } from './pages/explain.tsx';
import { LogBrowser } from './pages/log.tsx';
import { ReplicasPage } from './pages/replicas.tsx';
import { TablesPage } from './pages/tables.tsx';
import { WritesPage } from './pages/writes.tsx';
import { Empty } from './parts.tsx';
import { followLinks, usePlace } from './route.ts';
import { startRuns, useRuns } from './runs/hooks.ts';
import { ComparePage } from './runs/pages/compare.tsx';
import { FlakyPage } from './runs/pages/flaky.tsx';
import { MatrixPage } from './runs/pages/matrix.tsx';
import { QueuePage } from './runs/pages/queue.tsx';
import { RunPage } from './runs/pages/run.tsx';
import { TestPage } from './runs/pages/test.tsx';
import { ReplicaBanner } from './runs/replica-banner.tsx';
import { type PageEntry, Shell } from './shell.tsx';
import { engineOf, useLive } from './store.ts';
import { applyTheme } from './theme.ts';

const PAGES: readonly (PageEntry & { readonly page: ComponentType })[] = [
  { path: '', title: 'Engine', group: 'Engine', page: EnginePage },
  { path: 'replicas', title: 'Replicas', group: 'Engine', page: ReplicasPage },
  { path: 'tables', title: 'Tables', group: 'Engine', page: TablesPage },
  { path: 'log', title: 'Log', group: 'Engine', page: LogBrowser },
  { path: 'explain', title: 'Explain a row', group: 'Engine', page: ExplainPage },
  { path: 'writes', title: 'Rejected writes', group: 'Engine', page: WritesPage },
  { path: 'runs', title: 'Runs', group: 'Runs', page: MatrixPage },
  { path: 'queue', title: 'Queue', group: 'Runs', page: QueuePage },
  { path: 'compare', title: 'Compare', group: 'Runs', page: ComparePage },
  { path: 'flaky', title: 'Flaky tests', group: 'Runs', page: FlakyPage },
  { path: 'run', title: 'Run', group: 'hidden', page: RunPage },
  { path: 'test', title: 'Test', group: 'hidden', page: TestPage },
];

function App(): JSX.Element {
  const { path } = usePlace();
  const live = useLive();
  const runs = useRuns();
  const hasRuns = engineOf(live)?.server.hasRuns;
  useEffect(() => {
    if (hasRuns !== undefined) runs.know(hasRuns);
  }, [hasRuns]);
  const current = PAGES.find((entry) => entry.path === path) ?? {
    ...{ path, title: 'Not found', group: 'hidden' as const, page: NoPage },
  };
  const Page = current.page;
  const shown = PAGES.filter(({ group }) => group !== 'Runs' || runs.isThere === true);
  return (
    <Shell pages={shown} current={current} live={live}>
      <ReplicaBanner book={runs} />
      <Page />
    </Shell>
  );
}

function NoPage(): JSX.Element {
  return <Empty>There is no such page.</Empty>;
}

applyTheme();
startRuns();
followLinks(document.body);
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
