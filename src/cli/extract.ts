/** compactor extract: the fields of a schema, found in a document and answered together. */
import { type Command, Option } from 'commander'
import { CompactorError } from '../error.ts'
import { printable } from '../shown.ts'
import { checkAnswerFlags } from './answer-flags.ts'
import { type Asked, type AskedFlags, askedFlags, askedOf, openAskedSource } from './asked-source.ts'
import { describeSources, sourcesFlag } from './describe-sources.ts'
import { checkSource } from './document-source.ts'
import { countText } from './figures.ts'
import { decimal, defaultModel, engineFlags, given, modelFlag, seedFlag, wholeNumber } from './flags.ts'
import { readSchema } from './read-schema.ts'
import type { Terminal } from './terminal.ts'
import { checkOutput, writeOutput } from './write-output.ts'

const help = `
FIELDS is a JSON Schema of an object: each property is a field, its description says what to look for. A field that is not
required is left out where the document does not say. Understood are type, properties, required, items, enum, const, anyOf,
oneOf, $ref, lengths of texts and lists, bounds of whole numbers; what is not, such as format and pattern, is refused before
anything is read. SOURCE is what \`compactor ask\` takes. --sources [COUNT] prints, on
stderr, the passages that each field comes from and where they stand.

A schema of three fields, one of them required:
  {"type": "object", "required": ["total"], "properties": {
    "supplier": {"type": "string", "maxLength": 60, "description": "who sends the invoice"},
    "total": {"type": "number", "description": "amount to pay, in euros"},
    "paid": {"type": "boolean"}}}

Examples:
  compactor extract contract.cctx --schema fields.json
  compactor extract invoice.txt --schema fields.json -o invoice.json
  compactor extract contract.pdf --schema fields.json --sources 2`

interface ExtractFlags extends AskedFlags {
  readonly schema: string
  readonly output: string
  readonly force?: boolean
  readonly maxTokens?: number
  readonly temperature?: number
  readonly seed?: number
  readonly sources?: number
  readonly asAlone?: boolean
  readonly stats?: boolean
}

export const defineExtract = (command: Command, terminal: Terminal): void => {
  command
    .argument('<source>', 'context file or id, a document (file, folder, address), or - for standard input')
    .requiredOption('--schema <file>', 'JSON Schema of an object, a property for each field; - for standard input')
    .option('-o, --output <file>', 'where the JSON goes; - for standard output', '-')
    .option('--force', 'replace the output if it exists')
    .addOption(modelFlag(`model (default: the one that made the context, for a document ${defaultModel})`))
    .addOption(
      new Option('--max-tokens <count>', 'at most so many tokens for each field (default: 128)').argParser(wholeNumber),
    )
    .addOption(new Option('--temperature <number>', 'above 0 answers are sampled (default: 0)').argParser(decimal))
    .addOption(seedFlag('of the sampling (default: 0)'))
    .addOption(sourcesFlag())
    .option('--no-as-alone', 'up to 1.5 times as fast, but fields may differ from those asked by themselves: rounding')
    .option('--stats', 'print tokens and times on stderr')
    .addHelpText('after', help)
    .action((source: string, flags: ExtractFlags) => {
      // From the environment or the file it is for outputs that are files.
      const force = flags.output !== '-' || command.getOptionValueSource('force') === 'cli' ? flags.force : undefined
      return extractFields(askedOf(command, source, flags), { ...flags, force: force ?? false }, terminal)
    })
  for (const option of [...askedFlags(), ...engineFlags()]) command.addOption(option)
}

const extractFields = async (asked: Asked, flags: ExtractFlags, terminal: Terminal): Promise<void> => {
  await checkAnswerFlags(flags)
  checkSource(asked.source)
  if (asked.source === '-' && flags.schema === '-')
    throw new CompactorError('usage', 'only one of document and schema can come from standard input, got - for both')
  const output = { path: flags.output, flag: '-o', force: flags.force ?? false }
  await checkOutput(output)
  const schema = await readSchema(flags.schema, terminal)
  const { checkExtractSchema } = await import('../index.ts')
  checkExtractSchema(schema)
  const opened = await openAskedSource(asked, flags, terminal)
  try {
    for (const warning of opened.context.warnings) terminal.note(warning)
    const { maxTokens, temperature, seed, sources, asAlone } = flags
    const begun = performance.now()
    const { object, fields } = await opened.context.extract(schema, {
      ...given({ maxTokens, temperature, seed, sources, asAlone }),
      signal: terminal.signal,
    })
    writeOutput(output, `${JSON.stringify(object, undefined, 2)}\n`, terminal)
    for (const [name, info] of Object.entries(fields))
      if (info.sources && name in object) terminal.note(`${printable(name)}\n${describeSources(info.sources)}`)
    if (!flags.stats) return
    const tokens = Object.values(fields).reduce((sum, { usage }) => sum + usage.outputTokens, 0)
    const seconds = ((performance.now() - begun) / 1000).toFixed(2)
    terminal.note(`${countText(Object.keys(fields).length)} fields, ${countText(tokens)} tokens in ${seconds} s`)
  } finally {
    await opened.dispose()
  }
}
