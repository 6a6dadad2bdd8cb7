/** The tarball holds what package.json promises and nothing else. What happens after installing it: scripts/pack-test.mjs. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports, bin, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string>
  bin: Record<string, string>
  dependencies: Record<string, string>
}

let packed: string[] = []

before(() => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--silent'], {
    cwd: root,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
  packed = files.map(({ path }) => path)
})

/** Specifiers, static and dynamic, and what CommonJS packages are loaded with. */
const importsOf = (path: string): string[] => {
  const text = readFileSync(join(root, path), 'utf8')
  const required = [...text.matchAll(/\brequire\('([^']+)'\)/g)].map(([, name = '']) => name)
  return [...ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName), ...required]
}

test('every entry of exports and bin is in the tarball, with its types', () => {
  const targets = [...Object.values(exports), ...Object.values(bin)].map((target) => target.replace(/^\.\//, ''))
  assert.deepEqual(
    targets.filter((target) => !packed.includes(target)),
    [],
  )
  const types = targets.filter((target) => target.endsWith('.js')).map((target) => target.replace(/\.js$/, '.d.ts'))
  assert.deepEqual(
    types.filter((type) => !packed.includes(type)),
    [],
  )
})

test('every compiled file has its source and every source is compiled, tests apart', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/\.(test|conformance)\.ts$/.test(name))
    .map((name) => `dist/${name.replace(/\.ts$/, '.js')}`)
    .sort()
  const isJoined = (path: string): boolean => /^dist\/(cli|engine)\/chunk-[A-Z0-9]{8}\.js$/.test(path) // scripts/bundle.mjs
  assert.deepEqual(packed.filter((path) => /^dist\/.*\.js$/.test(path) && !isJoined(path)).sort(), sources)
})

test('there are no other kinds of files: no test, no TypeScript source, no other script, no machine’s build', () => {
  const expected = [
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|binding\.gyp|scripts\/build-native\.mjs)$/,
    /^dist\/.*\.(js|d\.ts)$/,
    /^kernels\/[a-z0-9_]+\.(cc|h)$/,
    /^prebuilds\/[a-z0-9]+-[a-z0-9]+\/compactor-kv\.node$/,
  ]
  assert.deepEqual(
    packed.filter((path) => !expected.some((pattern) => pattern.test(path))),
    [],
  )
  assert.deepEqual(
    packed.filter((path) => /\.(test|conformance)\./.test(path)),
    [],
  )
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'])
    assert.ok(packed.includes(file), `${file} is missing`)
})

test('the tarball carries the binary that the build made for this machine', () => {
  const binary = `prebuilds/${process.platform}-${process.arch}/compactor-kv.node`
  assert.equal(packed.includes(binary), existsSync(join(root, binary)))
  const required = (process.env.REQUIRE_BACKENDS ?? '').split(',').includes('native')
  assert.ok(packed.includes(binary) || !required, `${binary} is missing although REQUIRE_BACKENDS names native`)
})

test('every relative import of a compiled file names a file of the tarball', () => {
  // tsc leaves `import('./x.ts')` as it is in a function that also has `await using`, and says nothing.
  const missing = packed
    .filter((path) => /^dist\/.*\.js$/.test(path))
    .flatMap((path) =>
      importsOf(path)
        .filter((name) => name.startsWith('.') && !packed.includes(join(dirname(path), name)))
        .map((name) => `${path} imports ${name}`),
    )
  assert.deepEqual(missing, [])
})

test('compiled files import only what is declared as a dependency, and every dependency is imported', () => {
  const imported = new Set<string>()
  for (const path of packed.filter((file) => /^dist\/.*\.js$/.test(file))) {
    for (const name of importsOf(path).filter((candidate) => !/^(node:|\.)/.test(candidate)))
      imported.add(
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      )
  }
  assert.deepEqual([...imported].sort(), Object.keys(dependencies).sort())
})

test('package-lock.json has an entry for every package it names, other platforms included, or `npm ci` refuses it', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dependencies?: object; optionalDependencies?: object; optional?: boolean }>
  }
  /** Found as Node does: beside the package, then beside each package around it. */
  const isThere = (path: string, name: string): boolean =>
    `${path ? `${path}/` : ''}node_modules/${name}` in packages ||
    (path !== '' &&
      isThere(path.includes('/node_modules/') ? path.slice(0, path.lastIndexOf('/node_modules/')) : '', name))
  const missing = Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !isThere(path, name)),
  )
  assert.deepEqual(missing, [])
})
