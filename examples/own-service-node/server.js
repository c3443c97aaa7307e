// A service of the mesh in another language. It answers JSON, so that it needs no stubs: which
// headers it was called with, and then what the next service of the question's path answers.
//
//     pagesim's mesh starts it as: node server.js --service NAME --address HOST:PORT
//         --metrics-address HOST:PORT --mesh-address HOST:PORT --ready-fd N --grace-seconds S

'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const { parseArgs } = require('node:util');
const grpc = require('@grpc/grpc-js');
const { HealthImplementation } = require('grpc-health-check');

const STACK = 'x-pagesim-stack';
const AS_OF = 'x-pagesim-as-of';
const TRACE = 'traceparent';
const SECRET = 'x-pagesim-call-secret';

const secret = process.env.PAGESIM_CALL_SECRET; // absent if no mesh started us, and with TLS
delete process.env.PAGESIM_CALL_SECRET;

const { values: options } = parseArgs({
  strict: false, // the mesh may learn to say more
  options: {
    service: { type: 'string' },
    address: { type: 'string', default: '127.0.0.1:0' },
    'metrics-address': { type: 'string', default: '127.0.0.1:0' },
    'mesh-address': { type: 'string' },
    'ready-fd': { type: 'string' },
    'grace-seconds': { type: 'string', default: '10' },
  },
});

const encode = (value) => Buffer.from(JSON.stringify(value));
const decode = (bytes) => JSON.parse(bytes.toString());
let answered = 0;
let failed = 0;

// All that a service has to do: refuse a call past the mesh or without a moment, and send two
// headers on.
function requireMesh(metadata) {
  if (secret === undefined) return;
  const sha256 = (text) => crypto.createHash('sha256').update(String(text)).digest();
  const given = metadata.get(SECRET);
  if (given.length !== 1 || !crypto.timingSafeEqual(sha256(given[0]), sha256(secret))) {
    const error = new Error('The call lacks the secret that Envoy adds. Call through the mesh.');
    throw Object.assign(error, { code: grpc.status.UNAUTHENTICATED });
  }
}

function requireContext(metadata) {
  for (const name of [STACK, AS_OF]) {
    if (metadata.get(name).length !== 1) {
      const error = new Error(`The call has no ${name} header. Call through the mesh.`);
      throw Object.assign(error, { code: grpc.status.FAILED_PRECONDITION });
    }
  }
}

function forwarded(metadata) {
  const onward = new grpc.Metadata();
  for (const name of [STACK, TRACE]) {
    for (const value of metadata.get(name)) onward.set(name, value);
  }
  return onward;
}

const mesh = new grpc.Client(options['mesh-address'], grpc.credentials.createInsecure(), {
  'grpc.enable_http_proxy': 0,
});

function askNext(question, metadata, deadline) {
  const [service, ...path] = question.path;
  const method = `/${service}/Ask`;
  return new Promise((resolve, reject) => {
    mesh.makeUnaryRequest(
      method, encode, decode, { ...question, path, drop_context: false }, metadata, { deadline },
      (error, answer) => (error ? reject(error) : resolve(answer)),
    );
  });
}

async function ask(call, callback) {
  try {
    requireMesh(call.metadata);
    requireContext(call.metadata);
    const question = call.request;
    const onward = question.drop_context ? new grpc.Metadata() : forwarded(call.metadata);
    const headers = Object.fromEntries(
      Object.entries(call.metadata.getMap()).filter(
        ([name]) => [STACK, AS_OF, TRACE].includes(name)
          || ['x-pagesim-known-by', 'x-pagesim-snapshot', 'x-pagesim-variant'].includes(name),
      ),
    );
    const inner = question.path.length
      ? await askNext(question, onward, call.getDeadline())
      : null;
    answered += 1;
    callback(null, {
      name: options.service, process_id: process.pid, headers, as_received: {}, inner,
    });
  } catch (error) {
    answered += 1;
    failed += 1;
    callback({ code: error.code ?? grpc.status.INTERNAL, details: error.details ?? error.message });
  }
}

function serveMetrics(done) {
  const [host, port] = split(options['metrics-address']);
  const pages = http.createServer((request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(
      `# TYPE own_requests_total counter\nown_requests_total ${answered}\n`
      + `# TYPE own_request_errors_total counter\nown_request_errors_total ${failed}\n`,
    );
  });
  pages.listen(port, host, () => done(pages, `${host}:${pages.address().port}`));
}

function split(address) {
  const colon = address.lastIndexOf(':');
  return [address.slice(0, colon), Number(address.slice(colon + 1))];
}

const server = new grpc.Server({
  'grpc.max_receive_message_length': 64 << 20,
  'grpc.max_send_message_length': 64 << 20,
  'grpc.so_reuseport': 0,
});
server.addService(
  {
    Ask: {
      path: `/${options.service}/Ask`,
      requestStream: false,
      responseStream: false,
      requestDeserialize: decode,
      responseSerialize: encode,
    },
  },
  { Ask: ask },
);
const health = new HealthImplementation({ '': 'SERVING', [options.service]: 'SERVING' });
health.addToServer(server);

server.bindAsync(options.address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    console.error(`Cannot listen on ${options.address}: ${error.message}`);
    process.exit(1);
  }
  serveMetrics((pages, metricsAddress) => {
    const ready = { address: `${split(options.address)[0]}:${port}`, metrics_address: metricsAddress };
    if (options['ready-fd']) fs.writeSync(Number(options['ready-fd']), `${JSON.stringify(ready)}\n`);
    process.once('SIGTERM', () => {
      health.setStatus('', 'NOT_SERVING');
      health.setStatus(options.service, 'NOT_SERVING');
      pages.close();
      mesh.close();
      // Calls in flight end, then nothing keeps the process.
      setTimeout(() => server.forceShutdown(), 1000 * options['grace-seconds']).unref();
      server.tryShutdown(() => process.exit(0));
    });
  });
});
