/** compactor inspect gguf | context | cpu: what is in a file, what this machine can do. */
import { availableParallelism, cpus, totalmem } from 'node:os'
import type { Command } from 'commander'
import { CompactorError } from '../error.ts'
import type { Gguf } from '../index.ts'
import { type Wanted, wantedModel } from './context-model.ts'
import { describeContext } from './describe-context.ts'
import { bytesText, countText, factsText, tableText } from './figures.ts'
import { jsonFlag, modelFlag } from './flags.ts'
import { shadeContext } from './shade-context.ts'
import type { Terminal } from './terminal.ts'

const help = `
Examples:
  compactor inspect gguf qwen2.5-coder-0.5b --tensors
  compactor inspect context report.cctx
  compactor inspect context report.cctx --html report.html   the document, shaded by what was kept
  compactor inspect cpu`

export const defineInspect = (command: Command, terminal: Terminal): void => {
  command.addHelpText('after', help)
  command
    .command('gguf')
    .description('Show the metadata and tensors of a GGUF file.')
    .argument('<model>', 'name or path')
    .option('--tensors', 'list every tensor')
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      '\nExamples:\n  compactor inspect gguf qwen2.5-coder-0.5b\n  compactor inspect gguf model.gguf --tensors',
    )
    .action((model: string, flags: { tensors?: boolean; json?: boolean }) => inspectGguf(model, flags, terminal))
  command
    .command('context')
    .alias('ctx')
    .description('Show what a .cctx file holds.')
    .argument('<file>', 'path of a .cctx file')
    .addOption(jsonFlag())
    .option('--html <path>', 'write the document as a page, shaded by how much of each token was kept; - for stdout')
    .option('--force', 'replace the page if it exists')
    .addOption(modelFlag('whose tokenizer gives the page its text (default: the model that made the context)'))
    .addHelpText(
      'after',
      '\nExamples:\n  compactor inspect context report.cctx\n  compactor inspect context report.cctx --html report.html',
    )
    .action((file: string, flags: ContextFlags, command: Command) => {
      return inspectContext(file, { ...flags, model: wantedModel(command, flags) }, terminal)
    })
  command
    .command('cpu')
    .description('Show what this machine can do and which kernels were chosen.')
    .addOption(jsonFlag())
    .addHelpText('after', '\nExamples:\n  compactor inspect cpu\n  COMPACTOR_ISA=avx2 compactor inspect cpu --json')
    .action(({ json }: { json?: boolean }) => inspectCpu(json ?? false, terminal))
}

// -- context ------------------------------------------------------------------------------------------------------

interface ContextFlags {
  readonly json?: boolean
  readonly html?: string
  readonly force?: boolean
  readonly model?: string
}

type ContextWishes = Omit<ContextFlags, 'model'> & { readonly model: Wanted }

const inspectContext = async (file: string, flags: ContextWishes, terminal: Terminal): Promise<void> => {
  const { json = false, html, force = false, model } = flags
  if (html === undefined) {
    const idle = force ? '--force' : model.named === undefined ? undefined : '--model'
    if (idle)
      throw new CompactorError('usage', `${idle} is for the page that --html writes; leave it out or add --html`)
    return describeContext(file, { json }, terminal)
  }
  if (json) throw new CompactorError('usage', 'only one of --json and --html can be given')
  await shadeContext(file, { output: { path: html, flag: '--html', force }, model }, terminal)
}

// -- cpu ----------------------------------------------------------------------------------------------------------

const inspectCpu = async (json: boolean, terminal: Terminal): Promise<void> => {
  const { nativeAvailable } = await import('../index.ts')
  const native = nativeAvailable()
  const forced = process.env.COMPACTOR_ISA
  const machine = {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    native,
    ...(forced ? { forced } : {}),
  }
  if (json) return terminal.printJson(machine)
  terminal.print(
    factsText([
      ['processor', `${machine.processor}, ${machine.processors} usable`],
      ['memory', bytesText(machine.memoryBytes)],
      ['system', `${machine.platform}, Node ${machine.node}`],
      ...(native.available
        ? ([
            ['features', native.features.join(' ') || 'none that a kernel uses'],
            [
              'backend',
              `native, ${native.isa} kernels${forced ? ' (COMPACTOR_ISA)' : ': the best this processor can run'}`,
            ],
            ...(native.refusal === undefined ? [] : [['not used', native.refusal] as const]),
          ] as const)
        : ([['backend', `reference, because ${native.reason}`]] as const)),
    ]),
  )
}

// -- gguf ---------------------------------------------------------------------------------------------------------

const inspectGguf = async (
  spec: string,
  flags: { tensors?: boolean; json?: boolean },
  terminal: Terminal,
): Promise<void> => {
  const { openGguf, resolveModel } = await import('../index.ts')
  const { path } = await resolveModel(spec)
  const file = openGguf(path, spec)
  try {
    const { gguf, fileBytes } = file
    if (flags.json) terminal.printJson({ path, fileBytes, ...jsonOf(gguf) })
    else
      terminal.print(
        `${factsText([['file', `${path} (${bytesText(fileBytes)})`], ...metadataOf(gguf)])}\n\n${tensorTable(gguf, flags.tensors ?? false)}`,
      )
  } finally {
    file.release()
  }
}

/** A value in one line; long arrays by type and length. */
const valueText = ({ metadata }: Gguf, key: string): string => {
  const type = metadata.typeOf(key) ?? ''
  const length = Number(/\[(\d+)\]$/.exec(type)?.[1] ?? 0)
  if (length > 16) return type
  const text = JSON.stringify(metadata.get(key), (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  return text.length > 100 ? `${text.slice(0, 97)}...` : text
}

const metadataOf = (gguf: Gguf): [string, string][] =>
  Array.from(gguf.metadata.keys(), (key): [string, string] => [key, valueText(gguf, key)])

const parameterCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

const tensorTable = ({ tensors }: Gguf, all: boolean): string => {
  const list = [...tensors.values()]
  if (all) {
    const rows = list.map(({ name, type, shape, bytes }) => [
      name,
      type,
      `[${shape.join(', ')}]`,
      bytesText(bytes.length),
    ])
    return tableText(['TENSOR', 'TYPE', 'SHAPE', '>SIZE'], rows)
  }
  const types = [...new Set(list.map(({ type }) => type))].sort()
  const rows = types.map((type) => {
    const same = list.filter((tensor) => tensor.type === type)
    const values = same.reduce((sum, { shape }) => sum + parameterCount(shape), 0)
    return [
      type,
      countText(same.length),
      countText(values),
      bytesText(same.reduce((sum, { bytes }) => sum + bytes.length, 0)),
    ]
  })
  return tableText(['TYPE', '>TENSORS', '>VALUES', '>SIZE'], rows)
}

const jsonOf = (gguf: Gguf): object => ({
  metadata: Object.fromEntries(metadataOf(gguf)),
  tensors: Array.from(gguf.tensors.values(), ({ name, type, shape, bytes }) => ({
    name,
    type,
    shape,
    bytes: bytes.length,
  })),
})
