/**
 * The one script of a page: shades a document by one layer instead of their average. Fixed text, nothing is ever put into
 * it; what it reads stands in attributes. Without it the page shows the average.
 */
export const layerScript = `
for (const box of document.querySelectorAll('.shaded')) {
  const tokens = box.querySelectorAll('.text > span')
  const choice = box.querySelector('select')
  if (!choice) continue
  choice.parentElement.hidden = false
  choice.addEventListener('change', () => {
    const levels = choice.selectedOptions[0].dataset.levels
    tokens.forEach((token, i) => {
      token.className = token.className.replace(/k\\d+/, 'k' + parseInt(levels[i], 16))
    })
  })
}
`
