// A client of the feed (docs/feed.md): it keeps the connection, the token and
// the set of watched addresses, and calls back with what the server says.

const subprotocol = 'porchlight.v1.json';
const terminal = 4500;      // close codes from here on: do not come again
const patience = 10_000;    // ms without any frame beyond the heartbeat
const longestWait = 60_000; // ms between attempts
const batch = 100;          // addresses in one request

export class Feed {
  // on: {link(state, text), address(own), result(r), state(f), presence(f), refused(text)}
  constructor(url, token, on) {
    this.url = url;
    this.token = token;
    this.on = on;
    this.watched = new Set();
    this.attempts = 0;
    this.ref = 0;
    this.comeBack = () => this.retryNow();
    addEventListener('online', this.comeBack);
    this.connect();
  }

  // watch adds addresses; unwatch removes them. They hold over reconnects.
  watch(addresses) {
    const fresh = addresses.filter((a) => !this.watched.has(a));
    fresh.forEach((a) => this.watched.add(a));
    this.send('subscribe', fresh);
  }

  unwatch(addresses) {
    addresses.forEach((a) => this.watched.delete(a));
    this.send('unsubscribe', addresses);
  }

  // ask subscribes again, for an address that was denied or has ended.
  ask(address) {
    this.watched.add(address);
    this.send('subscribe', [address]);
  }

  close() {
    this.ended = true;
    removeEventListener('online', this.comeBack);
    clearTimeout(this.timer);
    this.drop(1000);
  }

  send(op, addresses) {
    if (!this.ready) return; // all is sent when the connection is there
    for (let i = 0; i < addresses.length; i += batch) {
      this.write({ op, ref: ++this.ref, addresses: addresses.slice(i, i + batch) });
    }
  }

  write(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  connect() {
    this.on.link('connecting', this.attempts ? 'Connecting again' : 'Connecting');
    this.heartbeat = 25_000;
    const socket = new WebSocket(this.url, subprotocol);
    this.socket = socket;
    socket.onmessage = (e) => {
      if (socket === this.socket) this.receive(JSON.parse(e.data));
    };
    socket.onclose = (e) => {
      if (socket === this.socket) this.closed(e.code, e.reason);
    };
    this.listen();
  }

  // listen waits for the next frame of the server: first it asks, then it
  // gives the connection up.
  listen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.write({ op: 'ping' });
      this.timer = setTimeout(() => {
        this.drop(4000);
        this.closed(1006, 'nothing heard');
      }, patience);
    }, this.heartbeat);
  }

  receive(f) {
    this.listen();
    switch (f.op) {
      case 'hello':
        this.heartbeat = f.heartbeat_ms;
        this.write({ op: 'auth', token: this.token });
        break;
      case 'authenticated':
        this.attempts = 0;
        this.ready = true;
        this.on.address(f.address);
        this.on.link('live', 'Live');
        this.send('subscribe', [...this.watched]);
        break;
      case 'subscribed':
        f.results.forEach((r) => this.result(r));
        break;
      case 'presence':
        this.on.presence(f);
        break;
      case 'state':
        this.on.state(f);
        break;
      case 'error':
        console.warn('porchlight:', f.code, f.message);
        if (f.temporary && f.retry_ms) setTimeout(() => this.again(), f.retry_ms);
        break;
    }
  }

  // result takes the spelling that the server uses from now on.
  result(r) {
    if (r.asked && this.watched.delete(r.asked)) this.watched.add(r.address);
    this.on.result(r);
  }

  again() {
    if (this.ready) this.send('subscribe', [...this.watched]);
  }

  drop(code) {
    const socket = this.socket;
    this.socket = null;
    this.ready = false;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(code);
  }

  closed(code, reason) {
    clearTimeout(this.timer);
    this.ready = false;
    this.socket = null;
    if (this.ended) return;
    if (code >= terminal) {
      this.close();
      this.on.refused(reason);
      return;
    }
    // Exponential, and random so that not all come back at one time.
    const wait = Math.min(longestWait, 1000 * 2 ** this.attempts) * (0.5 + Math.random() / 2);
    this.attempts++;
    this.due = Date.now() + wait;
    const tell = () => {
      const left = Math.ceil((this.due - Date.now()) / 1000);
      if (left <= 0) return this.connect();
      this.on.link('waiting', navigator.onLine ? `Not connected. Next try in ${left} s` : 'Offline');
      this.timer = setTimeout(tell, Math.min(1000, this.due - Date.now()));
    };
    tell();
  }

  // retryNow connects at once when the feed waits for its next attempt.
  retryNow() {
    if (this.socket || this.ended) return;
    clearTimeout(this.timer);
    this.connect();
  }
}
