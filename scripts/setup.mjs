/**
 * Gets a clone ready: packages, build, models. Plain Node without dependencies, because it is what runs first on a fresh
 * clone; each step is skipped when its result is already there and current. Not part of the published package.
 *
 *   node scripts/setup.mjs --install   packages only
 *   node scripts/setup.mjs --build     packages, then TypeScript and kernels whether stale or not
 *   node scripts/setup.mjs             packages, then what is stale
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const say = (text) => process.stderr.write(`${text}\n`)

/** Runs a program in the clone with this terminal; ends this process with its status when it fails. */
export const run = (program, args, options = {}) => {
  const { status, signal, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) say(`${program} could not be started: ${error.message}`)
  if (status !== 0) {
    say(`stopped: ${[program, ...args].join(' ')} ended with ${signal ?? `status ${status ?? 'unknown'}`}`)
    process.exit(status || 1)
  }
}

export const install = () => {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (major < 20) {
    say(`Node 20 or later is needed, this is ${process.version}: see https://nodejs.org`)
    process.exit(1)
  }
  if (packagesAreCurrent()) return
  say('installing packages (npm ci)')
  run('npm', ['ci', '--no-audit', '--no-fund'])
}

/** True if node_modules holds what package-lock.json asks for (optional packages of other platforms may be absent). */
const packagesAreCurrent = () => {
  const installedList = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedList)) return false
  const { packages: wanted } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const { packages: installed } = JSON.parse(readFileSync(installedList, 'utf8'))
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (optional && !installed[path]),
  )
}

export const build = ({ force = false } = {}) => {
  install()
  if (
    force ||
    newest(['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']) > oldest(join(root, 'dist'))
  ) {
    say('building TypeScript (tsc)')
    removeOrphans(join(root, 'dist'), join(root, 'src'))
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noEmitOnError'])
    run(process.execPath, ['scripts/bundle.mjs'])
  }
  run(process.execPath, ['scripts/build-native.mjs']) // compares its sources' hash itself
}

const filesUnder = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesUnder(join(path, name))) : [path]

const newest = (paths) =>
  Math.max(
    ...paths
      .flatMap((path) => filesUnder(join(root, path)))
      .filter((file) => !/\.(test|conformance)\.ts$/.test(file)) // not part of the build
      .map((file) => statSync(file).mtimeMs),
  )

/** tsc rewrites every file, so the oldest one tells when the last whole build was; -Infinity when there is none. */
const oldest = (folder) => {
  const times = existsSync(folder) ? filesUnder(folder).map((file) => statSync(file).mtimeMs) : []
  return times.length > 0 ? Math.min(...times) : Number.NEGATIVE_INFINITY
}

/** tsc never deletes: what a renamed or removed source left behind would be packed and shipped. */
const removeOrphans = (outputs, inputs) => {
  if (!existsSync(outputs)) return
  for (const name of readdirSync(outputs)) {
    const output = join(outputs, name)
    if (statSync(output).isDirectory()) removeOrphans(output, join(inputs, name))
    else if (!existsSync(join(inputs, name.replace(/(\.d\.ts|\.js)$/, '.ts')))) rmSync(output)
  }
  if (readdirSync(outputs).length === 0) rmSync(outputs, { recursive: true })
}

/** Gets a built-in model into the home (COMPACTOR_HOME, else ~/.compactor); checked and instant when it is there. */
export const pull = (model) => run(process.execPath, ['dist/cli/main.js', 'pull', model])

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [option, ...rest] = process.argv.slice(2)
  if (rest.length > 0 || ![undefined, '--install', '--build'].includes(option)) {
    say(`usage: node scripts/setup.mjs [--install | --build], got: ${process.argv.slice(2).join(' ')}`)
    process.exit(2)
  }
  if (option === '--install') install()
  else build({ force: option === '--build' })
}
