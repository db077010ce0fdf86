// Makes one connection with Node's tls and prints what the server says.
//
// Options: --port N on 127.0.0.1, --name HOST that the server must have, --root F, and --cert F with
// --key F unless the client is to have no certificate. Another exit code than 0 means that nothing
// was answered; the reason is on standard error.
'use strict';

const fs = require('node:fs');
const tls = require('node:tls');
const { parseArgs } = require('node:util');

// No server here takes long; one that hangs fails the test instead of blocking it.
const PATIENCE_MILLISECONDS = 60_000;

const text = { type: 'string' };
const { values } = parseArgs({
  options: { port: text, name: text, root: text, cert: text, key: text },
});

function fail(reason) {
  process.stderr.write(`${reason}\n`);
  process.exitCode = 1;
}

const identity = values.cert
  ? { cert: fs.readFileSync(values.cert), key: fs.readFileSync(values.key) }
  : {};
const socket = tls.connect({
  host: '127.0.0.1',
  port: Number(values.port),
  servername: values.name,
  ca: fs.readFileSync(values.root),
  ...identity,
});
const parts = [];
socket.setTimeout(PATIENCE_MILLISECONDS, () => socket.destroy(new Error('no answer in time')));
socket.on('data', (part) => parts.push(part));
socket.on('error', (error) => fail(`${error.code}: ${error.message}`));
socket.on('close', (afterError) => {
  if (parts.length > 0) {
    process.stdout.write(Buffer.concat(parts));
  } else if (!afterError) {
    fail('closed without an answer');
  }
});
