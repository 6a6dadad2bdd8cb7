/** Numbers as people read them, in the terminal and in reports alike. Sizes are decimal, as disks count; shares are per cent. */

export const bytesText = (bytes: number): string => {
  if (bytes < 1000) return `${Math.round(bytes * 10) / 10} B`
  const [unit, name] = bytes < 1e6 ? [1e3, 'kB'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB']
  const amount = bytes / unit
  return `${amount < 10 ? amount.toFixed(2) : amount < 100 ? amount.toFixed(1) : Math.round(amount)} ${name}`
}

export const countText = (count: number): string =>
  (Number.isInteger(count) ? count : Math.round(count * 10) / 10).toLocaleString('en-US')

export const percentText = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`
