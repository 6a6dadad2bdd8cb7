/** How the command line refuses: what every test of it asserts. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newPlace, type Outcome, type Place } from './cli-process.ts'
import { everythingIn } from './fixtures/temporary-folder.ts'

/** Ended with that code, one sentence on stderr and nothing on stdout. */
export const refused = ({ exitCode, stdout, stderr }: Outcome, code: 1 | 2, sentence: RegExp): void => {
  assert.equal(exitCode, code, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /^compactor: [^\n]+\n$/)
  assert.match(stderr, sentence)
  assert.doesNotMatch(stderr, /^\s+at |node:internal|unexpected failure/m)
}

/** Runs a command in a folder of `files` and asserts how it is refused, and that the folder is as it was. */
export const refuses = (
  name: string,
  expected: { readonly code: 1 | 2; readonly sentence: RegExp },
  { files = {}, words }: { files?: Record<string, string | Buffer>; words: (place: Place) => readonly string[] },
): void => {
  test(name, async (t) => {
    const place = newPlace(t)
    for (const [file, bytes] of Object.entries(files)) writeFileSync(join(place.folder, file), bytes)
    refused(await place.run(words(place)), expected.code, expected.sentence)
    assert.deepEqual(everythingIn(place.folder), Object.keys(files).sort())
    assert.deepEqual(
      everythingIn(place.home).filter((path) => !['models', 'fingerprints.json'].includes(path)),
      [],
    )
  })
}
