/**
 * Builds kernels/ with node-gyp and puts the addon where node-gyp-build looks: prebuilds/<platform>-<arch>/. Does
 * nothing when the sources are those of the last build. Without a compiler it says so and succeeds, because the package
 * works without the addon; `--require` makes that a failure, `--force` builds in any case. `--asan` builds with
 * AddressSanitizer into .cache/asan instead, which never ships: COMPACTOR_KV_PREBUILD=.cache/asan makes the loader take it.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const asan = process.argv.includes('--asan')
// node-gyp always builds into build/ of the folder it is called in.
const place = asan ? join(root, '.cache', 'asan') : root
const built = join(place, 'build', 'Release', 'compactor-kv.node')
const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'compactor-kv.node')
const hashFile = join(place, 'build', 'sources.sha256')
const jobCount = 2 // a compiler job can take 500 MB

const asanFlags = '-fsanitize=address -fno-omit-frame-pointer -g1'

const main = (flags) => {
  const unknown = flags.find((flag) => !['--require', '--force', '--asan'].includes(flag))
  if (unknown) return fail(2, `unknown option ${unknown}: build-native takes --require, --force and --asan`)
  const hash = sourceHash()
  if (!flags.includes('--force') && isCurrent(hash)) return console.log('native kernels: up to date')
  const missing = missingTools()
  if (missing.length > 0) {
    const sentence = `native kernels: not built, because ${new Intl.ListFormat('en').format(missing)} cannot be run; the plain TypeScript backend will be used, which is hundreds of times slower. Install a C++17 compiler, make and Python 3, then run: npm run build:native`
    return flags.includes('--require') ? fail(1, sentence) : console.warn(sentence)
  }
  console.log(`native kernels: compiling with ${jobCount} jobs, which takes a minute or a few`)
  if (!build()) return fail(1, 'native kernels: node-gyp failed, see its output above')
  if (asan) writeFileSync(hashFile, hash)
  else install(hash)
  console.log(`native kernels: built for ${process.platform}-${process.arch}${asan ? ' with AddressSanitizer' : ''}`)
}

const fail = (code, sentence) => {
  console.error(sentence)
  process.exitCode = code
}

const sourceHash = () => {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}`)
  const kernels = readdirSync(join(root, 'kernels')).sort()
  for (const path of ['binding.gyp', ...kernels.map((name) => join('kernels', name))])
    hash.update(`\0${path}\0`).update(readFileSync(join(root, path)))
  return hash.digest('hex')
}

const isCurrent = (hash) =>
  existsSync(built) && (asan || existsSync(prebuilt)) && existsSync(hashFile) && readFileSync(hashFile, 'utf8') === hash

const canRun = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0

/** What a build needs and this machine lacks, in words. */
const missingTools = () => {
  if (process.platform === 'win32') return ['this build on Windows']
  const needs = [
    ['a C++ compiler', [process.env.CXX, 'c++', 'g++', 'clang++']],
    ['make', ['make', 'gmake']],
    ['Python 3', [process.env.PYTHON, process.env.npm_config_python, 'python3', 'python']],
  ]
  return needs.filter(([, commands]) => !commands.some((command) => command && canRun(command))).map(([name]) => name)
}

/** node-gyp downloads Node's headers unless the installation has them beside its binary, as most have. */
const headerOption = () => {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : []
}

/** Ours in a clone; in an installed package, which has no development tools, the one that npm brings along. */
const findNodeGyp = () => {
  const { npm_config_node_gyp: fromNpm } = process.env
  try {
    return createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !fromNpm) throw error
    return fromNpm
  }
}

/** Sources as node-gyp wants them: beside the folder it builds into. */
const prepareAsan = () => {
  mkdirSync(place, { recursive: true })
  copyFileSync(join(root, 'binding.gyp'), join(place, 'binding.gyp'))
  if (!existsSync(join(place, 'kernels'))) symlinkSync(join(root, 'kernels'), join(place, 'kernels'))
}

const build = () => {
  if (asan) prepareAsan()
  const nodeGyp = findNodeGyp()
  const step = existsSync(join(place, 'build', 'Makefile')) ? ['configure', 'build'] : ['rebuild']
  const flags = asan ? { CXXFLAGS: asanFlags, LDFLAGS: '-fsanitize=address' } : {}
  const env = { ...process.env, ...flags }
  const options = [...headerOption(), '--jobs', String(jobCount), '--loglevel', 'warn']
  return step.every(
    (command) =>
      spawnSync(process.execPath, [nodeGyp, command, ...options], { cwd: place, stdio: 'inherit', env }).status === 0,
  )
}

/** By rename: a process that has the old addon mapped keeps it whole. */
const install = (hash) => {
  mkdirSync(dirname(prebuilt), { recursive: true })
  const temporary = `${prebuilt}.${process.pid}.tmp`
  copyFileSync(built, temporary)
  renameSync(temporary, prebuilt)
  writeFileSync(hashFile, hash)
}

main(process.argv.slice(2))
