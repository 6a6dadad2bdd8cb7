/** Help, topics and completion: what a user's hands find. Completion is tried in a real bash. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { builtInModels } from '../src/cli/flags.ts'
import { topics } from '../src/cli/topics.ts'
import { catalog } from '../src/hub/catalog.ts'
import { newPlace, type Place } from './cli-process.ts'

const succeed = async (place: Place, words: readonly string[], env: Record<string, string> = {}): Promise<string> => {
  const { exitCode, stdout, stderr } = await place.run(words, { env })
  assert.equal(exitCode, 0, `${words.join(' ')}: ${stderr}`)
  return stdout
}

const commandsIn = (help: string): string[] =>
  Array.from(
    (/\nCommands:\n([\s\S]*?)\n\n/.exec(`${help}\n\n`)?.[1] ?? '').matchAll(/^ {2}([a-z]+)/gm),
    ([, name]) => name ?? '',
  )

test('every command and every command under it has help with examples that begin with compactor', async (t) => {
  const place = newPlace(t)
  const roots = commandsIn(await succeed(place, ['--help']))
  assert.ok(roots.length >= 9, roots.join())
  for (const root of roots) {
    const help = await succeed(place, [root, '--help'])
    for (const words of [[root], ...commandsIn(help).map((sub) => [root, sub])]) {
      const own = await succeed(place, [...words, '--help'])
      const examples = /\nExamples:\n([\s\S]+)$/.exec(own)?.[1]?.trimEnd().split('\n') ?? []
      assert.ok(examples.length > 0, `${words.join(' ')} has no examples`)
      assert.doesNotMatch(own, /preset/)
      const long = own.split('\n').filter((line) => line.length > 125)
      assert.deepEqual(long, [], `${words.join(' ')} has a line that is too long`)
      for (const line of examples)
        assert.match(line, /^ {2}(.*[|;&] )?([A-Z_]+=\S+ )*(compactor|cat|echo) /, words.join(' '))
    }
  }
})

test('help TOPIC explains each topic the help names, and an unknown one is refused', async (t) => {
  const place = newPlace(t)
  const overview = await succeed(place, ['--help'])
  for (const { name } of topics) {
    assert.match(overview, new RegExp(`help TOPIC.* explains .*\\b${name}\\b`, 's'))
    const text = await succeed(place, ['help', name])
    assert.match(text, /\nExamples:\n {2}\S/, name)
    assert.ok(
      text.split('\n').every((line) => line.length <= 125),
      `${name} has a line that is too long`,
    )
  }
  assert.equal((await place.run(['help', 'keeping'])).exitCode, 2)
})

/** What bash offers for the last of these words. */
const offers = (script: string, words: readonly string[], { folder, home }: Place): string[] => {
  const line = words.map((word) => `'${word}'`).join(' ')
  const ask = `source ${script}; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _compactor; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', ask], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: home, COMPACTOR_HOME: home },
  })
  assert.deepEqual([status, stderr], [0, ''])
  return stdout.split('\n').filter((word) => word !== '')
}

test('completion: bash offers commands, flags, choices, models and contexts where they belong', async (t) => {
  const place = newPlace(t)
  const script = join(place.folder, 'completion.bash')
  writeFileSync(script, await succeed(place, ['completion', 'bash']))
  for (const name of ['report.cctx', 'notes.txt', 'my report.cctx']) writeFileSync(join(place.folder, name), '')
  writeFileSync(join(place.home, 'models', 'mine.gguf'), '')
  const offered = (...words: string[]): string[] => offers(script, ['compactor', ...words], place)
  assert.deepEqual(offered('comp'), ['compress', 'completion'])
  assert.deepEqual(offered('inspect', ''), ['gguf', 'context', 'cpu'])
  assert.deepEqual(offered('compress', 'a.txt', '--kee'), ['--keep'])
  assert.deepEqual(offered('compress', 'a.txt', '--heads', ''), ['across', 'apart', 'model'])
  assert.deepEqual(offered('ask', 'a.txt', 'why', '--backend', 'n'), ['native'])
  assert.deepEqual(offered('compress', '-m', 'm'), ['mine'])
  assert.deepEqual(offered('pull', 'smol'), ['smollm2-135m'])
  assert.deepEqual(offered('models', 'rm', 'mi'), ['mine'])
  assert.deepEqual(offered('ask', 're'), ['report.cctx'])
  assert.deepEqual(offered('ask', 'no'), ['notes.txt'])
  assert.deepEqual(offered('chat', 're'), ['report.cctx'])
  assert.deepEqual(offered('compress', 'no'), ['notes.txt'])
  assert.deepEqual(offered('ask', 'my'), ['my report.cctx']) // one name, not two
  assert.deepEqual(offered('compress', 'my'), ['my report.cctx'])
  assert.deepEqual(offered('compress', '--keep', ''), []) // a number, not a file
  assert.deepEqual(offered('completion', ''), ['bash', 'zsh', 'fish'])
  assert.deepEqual(offered('help', 'envi'), ['environment'])
  assert.deepEqual(offered('--ver'), ['--version'])
  const flags = offered('eval', 'needle', '--')
  const help = await succeed(place, ['eval', '--help'])
  for (const [, flag] of help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)) assert.ok(flags.includes(flag ?? ''), flag)
})

test('completion: the scripts of zsh and fish are taken by their shells where they are installed; others are refused', async (t) => {
  const place = newPlace(t)
  for (const shell of ['zsh', 'fish']) {
    const script = join(place.folder, `completion.${shell}`)
    writeFileSync(script, await succeed(place, ['completion', shell]))
    if (spawnSync(shell, ['-c', 'true']).status === 0) execFileSync(shell, ['-n', script])
  }
  assert.match(await succeed(place, ['completion', 'fish']), /-n '__fish_seen_subcommand_from compress' .*-l keep -x/)
  assert.match(await succeed(place, ['completion', 'fish']), /-n '__fish_seen_subcommand_from compress' .*-l output -r/)
  const { exitCode, stderr } = await place.run(['completion', 'tcsh'])
  assert.equal(exitCode, 2)
  assert.match(stderr, /tcsh.*bash, zsh, fish/)
})

test('completion knows the models of the catalog', () => {
  assert.deepEqual(
    builtInModels,
    catalog.map(({ name }) => name),
  )
})
