// VS Code's way to a kernel, without VS Code. Reads commands, one JSON object a line, from standard
// input, carries them out at once, and prints each one's outcome as a line when it has come.

'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { KernelMessage, ServerConnection } = require('@jupyterlab/services');
const { KernelConnection } = require('@jupyterlab/services/lib/kernel/default');
const { KernelProcess } = require('./process');
const { RawSocket } = require('./socket');

// How often the extension asks a kernel that has not answered yet.
const NUDGE = 500;

class Editor {
  constructor(specDirectory, interpreter) {
    this.where = [specDirectory, interpreter];
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vscode-'));
  }

  // Start the process and wait until both channels have told what the kernel is.
  async start() {
    this.process = await KernelProcess.launch(...this.where, this.folder);
    this.kernel = this.#connect();
    const [shell, control] = await Promise.all([this.#nudged('shell'), this.#nudged('control')]);
    return { pid: this.process.child.pid, info: shell, same: equal(shell, control) };
  }

  #connect() {
    let socket;
    const { connection } = this.process;
    const kernel = new KernelConnection({
      model: { id: connection.key, name: connection.kernel_name },
      handleComms: true,
      serverSettings: ServerConnection.makeSettings({
        wsUrl: 'RAW',
        WebSocket: class extends RawSocket {
          constructor() {
            super(connection);
            socket = this;
          }
        },
        // The socket takes and gives messages, not what would travel over a WebSocket.
        serializer: { serialize: (message) => message, deserialize: (message) => message }
      })
    });
    socket.onopen();
    this.printed = '';
    kernel.iopubMessage.connect((_, { header, content }) => {
      if (header.msg_type === 'stream') this.printed += content.text;
    });
    this.widgets = new Map();
    kernel.registerCommTarget('jupyter.widget', (comm, { content }) => {
      const { state } = content.data;
      this.widgets.set(state._model_name, { comm, state });
      comm.onMsg = (message) => Object.assign(state, message.content.data.state);
    });
    return kernel;
  }

  // Wait until something is true, whatever else comes meanwhile.
  async #until(isTrue) {
    while (!isTrue()) {
      await new Promise((resolve) => this.kernel.iopubMessage.connect(resolve));
    }
  }

  #nudged(channel) {
    return new Promise((resolve) => {
      const ask = () => this.#ask(channel, 'kernel_info_request').then(answered, () => {});
      const asking = setInterval(ask, NUDGE);
      const answered = (content) => {
        clearInterval(asking);
        resolve(content);
      };
      ask();
    });
  }

  async #ask(channel, msgType, content = {}) {
    const { kernel } = this;
    const { username, clientId: session } = kernel;
    const message = KernelMessage.createMessage({ channel, msgType, username, session, content });
    const future =
      channel === 'control'
        ? kernel.sendControlMessage(message, true, true)
        : kernel.sendShellMessage(message, true, true);
    return (await future.done).content;
  }

  // Ends, as in the extension, when the reply and the idle status have both come.
  async execute({ code, hidden = false }) {
    const options = hidden
      ? { silent: false, store_history: false, stop_on_error: false }
      : { silent: false, store_history: true, stop_on_error: true, allow_stdin: true };
    const future = this.kernel.requestExecute({ code, ...options }, true);
    const published = [];
    future.onIOPub = ({ header, content }) => published.push([header.msg_type, content]);
    const typed = { status: 'ok', value: 'typed' };
    future.onStdin = ({ header }) => this.kernel.sendInputReply(typed, header);
    const reply = (await future.done).content;
    return { reply, published };
  }

  // Ends when a thread of the code has told its result, which may be after the code's end.
  async background({ code, mime }) {
    const told = new Promise((resolve) => {
      const look = (_, { header, content }) => {
        if (header.msg_type !== 'update_display_data' || !(mime in content.data)) return;
        this.kernel.iopubMessage.disconnect(look);
        resolve(content);
      };
      this.kernel.iopubMessage.connect(look);
    });
    const { published } = await this.execute({ code, hidden: true });
    return { published, told: await told };
  }

  async complete({ code, position }) {
    return (await this.kernel.requestComplete({ code, cursor_pos: position })).content;
  }

  async inspect({ code }) {
    const request = { code, cursor_pos: code.length, detail_level: 0 };
    return (await this.kernel.requestInspect(request)).content;
  }

  // Wait until a text has been printed, by whatever cell.
  seen({ text }) {
    return this.#until(() => this.printed.includes(text));
  }

  // Move a widget, as its view does; and wait until one has a value.
  move({ model, value }) {
    const data = { method: 'update', state: { value }, buffer_paths: [] };
    return this.widgets.get(model).comm.send(data).done;
  }

  moved({ model, value }) {
    return this.#until(() => this.widgets.get(model)?.state.value === value);
  }

  interrupt() {
    return this.#ask('control', 'interrupt_request');
  }

  // A new process at once; the old one ends meanwhile.
  async restart() {
    const old = this.#leave();
    const started = await this.start();
    return { ...started, old: await old };
  }

  async stop() {
    const old = await this.#leave();
    fs.rmSync(this.folder, { recursive: true });
    return old;
  }

  async #leave() {
    const { process, kernel } = this;
    process.end();
    kernel.dispose();
    return { ...(await process.exited), said: process.said };
  }
}

function equal(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

async function main() {
  console.debug = console.error; // standard output is for the answers
  const editor = new Editor(process.argv[2], process.argv[3]);
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, command, ...options } = JSON.parse(line);
    editor[command](options).then(
      (result) => answer({ id, result: result ?? null }),
      (error) => answer({ id, error: String(error.stack) })
    );
  }
}

main();
