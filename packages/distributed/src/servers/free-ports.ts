import { createServer, type Server } from 'node:net'

const listen = (): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })

/**
 * Ports of this machine that were free a moment ago. Others may take one before it is used, so whoever uses them has to be ready to
 * try again.
 */
export const freePorts = async (count: number): Promise<number[]> => {
  const servers: Server[] = []
  try {
    // All open at once, so that no port comes twice.
    for (let i = 0; i < count; i++) servers.push(await listen())
    return servers.map((server) => (server.address() as { port: number }).port)
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}
