// A kernel's process, started and ended as the extension does it.

'use strict';

const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const CHANNELS = ['shell', 'iopub', 'stdin', 'control', 'hb'];

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

async function listening(port) {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

class KernelProcess {
  // `specDirectory` is where kernel.json is; `interpreter` is the environment's Python, which the
  // extension puts in the place of a bare `python`.
  static async launch(specDirectory, interpreter, folder) {
    const spec = JSON.parse(fs.readFileSync(path.join(specDirectory, 'kernel.json'), 'utf8'));
    const ports = await freePorts(CHANNELS.length);
    const connection = {
      ip: '127.0.0.1',
      transport: 'tcp',
      key: randomUUID(),
      signature_scheme: 'hmac-sha256',
      kernel_name: path.basename(specDirectory),
      ...Object.fromEntries(CHANNELS.map((name, index) => [`${name}_port`, ports[index]]))
    };
    const file = path.join(folder, `kernel-v3${randomUUID()}.json`);
    fs.writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
    const [command, ...argv] = spec.argv.map((argument) =>
      argument.replace('{connection_file}', file).replace('{resource_dir}', specDirectory)
    );
    const child = spawn(command === 'python' ? interpreter : command, argv, {
      cwd: folder,
      env: { ...process.env, ...spec.env },
      stdio: ['ignore', 'pipe', 'pipe']
    });
    const started = new KernelProcess(child, connection, spec);
    await started.#untilItListens();
    return started;
  }

  constructor(child, connection, spec) {
    this.child = child;
    this.connection = connection;
    this.spec = spec;
    this.said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => (this.said += data));
    }
    this.exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  }

  async #untilItListens() {
    for (const name of ['shell', 'iopub']) {
      while (!(await listening(this.connection[`${name}_port`]))) {
        if (this.child.exitCode !== null) throw new Error(`The kernel died: ${this.said}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  // No shutdown request: the extension only ends the process, and does not wait for it.
  end() {
    this.child.kill('SIGTERM');
  }
}

module.exports = { KernelProcess };
