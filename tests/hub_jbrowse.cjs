// Reads a hub as JBrowse does and prints, as JSON, what it found.
// node hub_jbrowse.cjs FOLDER HUB: FOLDER holds node_modules.
const fs = require('fs')
const path = require('path')
const { createRequire } = require('module')

const [folder, hub] = process.argv.slice(2)
const load = createRequire(path.join(path.resolve(folder), 'package.json'))
const { HubFile, GenomesFile, TrackDbFile, SingleFileHub } = load('@gmod/ucsc-hub')
const { BigWig, BigBed } = load('@gmod/bbi')
const { TwoBitFile } = load('@gmod/twobit')

const text = name => fs.readFileSync(path.join(hub, name), 'utf8')

function stanzas() {
  if (/^useOneFile on$/m.test(text('hub.txt'))) {
    const file = new SingleFileHub(text('hub.txt'))
    return [file.hubData.data, file.genome.data, file.tracks, hub]
  }
  const head = new HubFile(text('hub.txt')).data
  const [genome] = Object.values(new GenomesFile(text(head.genomesFile)).data)
  const base = path.join(hub, path.dirname(genome.data.trackDb))
  return [head, genome.data, new TrackDbFile(text(genome.data.trackDb)), base]
}

async function features(base, settings) {
  const Reader = settings.type.startsWith('bigWig') ? BigWig : BigBed
  const file = new Reader({ path: path.join(base, settings.bigDataUrl) })
  const { refsByNumber, numZoomLevels } = await file.getHeader()
  const found = {}
  for (const { name, length } of Object.values(refsByNumber)) {
    const rows = await file.getFeatures(name, 0, length, { scale: 1 })
    found[name] = { length, rows: rows.map(f => [f.start, f.end, f.rest ?? f.score]) }
  }
  return { zooms: numZoomLevels, found }
}

async function main() {
  const [head, genome, tracks, base] = stanzas()
  const result = { head, genome, tracks: {}, data: {}, sequence: {} }
  for (const [name, stanza] of Object.entries(tracks.data)) {
    result.tracks[name] = stanza.data
    if (stanza.data.bigDataUrl) {
      result.data[name] = await features(base, stanza.data)
    }
  }
  if (genome.twoBitPath) {
    const file = new TwoBitFile({ path: path.join(hub, genome.twoBitPath) })
    for (const name of await file.getSequenceNames()) {
      result.sequence[name] = await file.getSequence(name)
    }
  }
  process.stdout.write(JSON.stringify(result))
}

main().catch(error => {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
})
