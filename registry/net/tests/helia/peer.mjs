// A real Helia node, driven by a test: one JSON command a line on stdin, one JSON answer a line on stdout.
// The first line is {"peer", "addresses"}. The node listens on loopback and knows nobody until it is told.
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { once } from 'node:events'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { withBitswap } from '@helia/bitswap'
import { car } from '@helia/car'
import { withHTTP } from '@helia/http'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { CarReader } from '@ipld/car'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'

const helia = withBitswap(withLibp2pLight(createHeliaLight(), {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() }
}))
await helia.start()
const { libp2p } = helia
const files = unixfs(helia)
const archive = car(helia)
const profile = { profile: 'unixfs-v1-2025' }

const write = async (path, chunks) => {
  const file = createWriteStream(path)
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.byteLength
    if (!file.write(chunk)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'finish')
  return bytes
}

const walk = async function * (folder, prefix) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield * walk(path, `${prefix}/${entry.name}`)
    else yield { path: `${prefix}/${entry.name}`, content: createReadStream(path) }
  }
}

const commands = {
  dial: async ({ address }) => ({ peer: (await libp2p.dial(multiaddr(address))).remotePeer.toString() }),
  add: async ({ path }) => ({ cid: (await files.addByteStream(createReadStream(path), profile)).toString() }),
  addFolder: async ({ path }) => {
    let root
    for await (const entry of files.addAll(walk(path, basename(path)), { ...profile, wrapWithDirectory: false })) root = entry.cid
    return { cid: root.toString() }
  },
  fetch: async ({ cid, path, timeoutMs }) => {
    const start = performance.now()
    const bytes = await write(path, files.cat(CID.parse(cid), { signal: AbortSignal.timeout(timeoutMs) }))
    return { bytes, ms: performance.now() - start }
  },
  // By a node of its own, which knows no peer: only a trustless gateway.
  fetchByGateway: async ({ gateway, cid, path, timeoutMs }) => {
    const reader = withHTTP(createHeliaLight(), {
      delegatedRouters: [],
      recursiveGateways: [gateway],
      allowInsecure: true,
      allowLocal: true
    })
    // Gateways are asked when other routers have ended, which Helia waits for even if there is none.
    reader.addRouter(() => ({ name: 'nobody', async * findProviders () {} }))
    await reader.start()
    try {
      const signal = AbortSignal.timeout(timeoutMs)
      return { bytes: await write(path, unixfs(reader).cat(CID.parse(cid), { signal })) }
    } finally {
      await reader.stop()
    }
  },
  exportCar: async ({ cid, path }) => ({ bytes: await write(path, archive.export(CID.parse(cid))) }),
  importCar: async ({ path }) => {
    const reader = await CarReader.fromIterable(createReadStream(path))
    await archive.import(reader)
    return { roots: (await reader.getRoots()).map(String) }
  }
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`)
say({ peer: libp2p.peerId.toString(), addresses: libp2p.getMultiaddrs().map(String) })
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { command, ...options } = JSON.parse(line)
    say(await commands[command](options))
  } catch (error) {
    say({ error: `${error.name}: ${error.message}` })
  }
}
await helia.stop()
process.exit(0)
