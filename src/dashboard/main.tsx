/** Where the page starts. */
import 'uplot/dist/uPlot.min.css';
import './app.css';
import { type ComponentType, type JSX, render } from 'preact';
import { EnginePage } from './pages/engine.tsx';
import { ExplainPage } from './pages/explain.tsx';
import { LogBrowser } from './pages/log.tsx';
import { ReplicasPage } from './pages/replicas.tsx';
import { TablesPage } from './pages/tables.tsx';
import { WritesPage } from './pages/writes.tsx';
import { Empty } from './parts.tsx';
import { followLinks, usePlace } from './route.ts';
import { type PageEntry, Shell } from './shell.tsx';
import { useLive } from './store.ts';
import { applyTheme } from './theme.ts';

const PAGES: readonly (PageEntry & { readonly page: ComponentType })[] = [
  { path: '', title: 'Engine', page: EnginePage },
  { path: 'replicas', title: 'Replicas', page: ReplicasPage },
  { path: 'tables', title: 'Tables', page: TablesPage },
  { path: 'log', title: 'Log', page: LogBrowser },
  { path: 'explain', title: 'Explain a row', page: ExplainPage },
  { path: 'writes', title: 'Rejected writes', page: WritesPage },
];

function App(): JSX.Element {
  const { path } = usePlace();
  const live = useLive();
  const found = PAGES.find((entry) => entry.path === path);
  const current = found ?? { path, title: 'Not found', page: NoPage };
  const Page = current.page;
  return (
    <Shell pages={PAGES} current={current} live={live}>
      <Page />
    </Shell>
  );
}

function NoPage(): JSX.Element {
  return <Empty>There is no such page.</Empty>;
}

applyTheme();
followLinks(document.body);
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
