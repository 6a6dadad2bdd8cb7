/**
 * Joins the modules behind the command line and behind the engine's worker, which a process of `compactor` starts with, into
 * few files each: opening and linking 300 small ones costs more than running them. In place, in dist/; what is imported only
 * where it is needed stays apart, and packages are imported as before. The library's own entries stay as tsc wrote them.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const dist = fileURLToPath(new URL('../dist', import.meta.url))

/** A module that asks where it lies (to find a worker, the addon, package.json) hears what it would without this. */
const keepUrls = (folder) => ({
  name: 'keep-urls',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      const url = `new URL(${JSON.stringify(relative(folder, path))}, import.meta.url).href`
      return { contents: (await readFile(path, 'utf8')).replaceAll('import.meta.url', url) }
    })
  },
})

for (const entry of ['cli/main.js', 'engine/worker.js']) {
  const folder = join(dist, dirname(entry))
  await build({
    entryPoints: [join(dist, entry)],
    outdir: folder,
    allowOverwrite: true,
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    plugins: [keepUrls(folder)],
  })
}
