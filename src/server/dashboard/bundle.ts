/** Makes the page's files from their sources: for `npm run build`, and in a clone for the first page that is asked for. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { build, stop } from 'esbuild';

/** Packages whose code is in the bundle: their licences go with it. */
const BUNDLED = ['preact', 'uplot'];

/** File names and contents, from the folder of the sources. Throws what the bundler says. */
export async function bundleDashboard(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const entry = join(folder, 'main.tsx');
  try {
    const { outputFiles } = await build({
      ...{ entryPoints: [entry], outdir: folder, entryNames: 'app-[hash]' },
      ...{ bundle: true, minify: true, write: false, format: 'esm', target: 'es2022' },
      ...{ jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
      define: { 'process.env.NODE_ENV': '"production"' },
      logLevel: 'silent',
    });
    const files = new Map<string, Buffer>();
    for (const { path, contents } of outputFiles) files.set(basename(path), Buffer.from(contents));
    files.set('index.html', Buffer.from(pageOf(folder, [...files.keys()])));
    files.set('icon.svg', readFileSync(join(folder, 'icon.svg')));
    files.set('licences.txt', Buffer.from(BUNDLED.map(licenceOf).join('\n')));
    return files;
  } finally {
    await stop();
  }
}

/** The page with the names of its script and style. */
function pageOf(folder: string, names: readonly string[]): string {
  const nameOf = (ending: string): string => names.find((name) => name.endsWith(ending)) ?? '';
  return readFileSync(join(folder, 'page.html'), 'utf8')
    .replace('app.js', nameOf('.js'))
    .replace('app.css', nameOf('.css'));
}

function licenceOf(name: string): string {
  const root = packageFolder(name);
  return `${name}\n\n${readFileSync(join(root, 'LICENSE'), 'utf8')}`;
}

function packageFolder(name: string): string {
  return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
}
