/**
 * A telephone for end-to-end tests: SIP and PCMU over UDP, a tone to send, an ear that tells which
 * tones arrive. It dials, keys in digits by RFC 4733, and hangs up.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const FRAME = 160;
const FRAME_MS = 20;
const KEPT_SAMPLES = 8000;
const LOUD = 0.02;

/** Calls `number` at the engine and resolves when it is answered. */
export async function callAsPhone({ port, number, toneHz, callerId = '+15550100' }) {
  const [sip, rtp] = [createSocket('udp4'), createSocket('udp4')];
  sip.bind(0, '127.0.0.1');
  rtp.bind(0, '127.0.0.1');
  await Promise.all([once(sip, 'listening'), once(rtp, 'listening')]);
  const phone = new Phone(sip, rtp, port, number, toneHz, callerId);
  await phone.dial();
  return phone;
}

class Phone {
  #sip;
  #rtp;
  #port;
  #target;
  #to;
  #from;
  #callId;
  #remote;
  #timer;
  #toneHz;
  #startedAt = 0;
  #sent = 0;
  #sample = 0;
  #seq = 1;
  #digits = [];
  #event = null;
  #heard = [];

  constructor(sip, rtp, port, number, toneHz, callerId) {
    this.#sip = sip;
    this.#rtp = rtp;
    this.#port = port;
    this.#toneHz = toneHz;
    this.#target = `sip:${number}@127.0.0.1:${port}`;
    this.#to = `<${this.#target}>`;
    this.#from = `<sip:${callerId}@127.0.0.1>;tag=${Math.random().toString(36).slice(2)}`;
    this.#callId = `${Math.random().toString(36).slice(2)}@127.0.0.1`;
    rtp.on('message', (packet) => this.#hear(packet));
  }

  async dial() {
    const media = this.#rtp.address().port;
    const offer = [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      `m=audio ${media} RTP/AVP 0 101`,
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-15',
      '',
    ].join('\r\n');
    const answered = new Promise((resolve, reject) => {
      this.#sip.on('message', (bytes) => {
        const text = bytes.toString();
        if (!text.startsWith('SIP/2.0 ')) return this.#answer(text);
        const code = Number(text.slice(8, 11));
        if (!/^CSeq: *1 INVITE/im.test(text) || code < 200) return;
        this.#to = /^To: *(.*)$/im.exec(text)[1];
        this.#target = /^Contact: *<([^>]*)>/im.exec(text)?.[1] ?? this.#target;
        this.#send('ACK', 1);
        if (code >= 300) return reject(new Error(`the call was refused with ${code}`));
        this.#remote = Number(/^m=audio (\d+)/m.exec(text)[1]);
        resolve();
      });
    });
    this.#send('INVITE', 1, offer);
    await answered;
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), FRAME_MS);
  }

  /** Keys in digits, one after the other. */
  press(digits) {
    this.#digits.push(...digits);
  }

  hangUp() {
    this.#send('BYE', 2);
    clearInterval(this.#timer);
    setTimeout(() => {
      this.#sip.close();
      this.#rtp.close();
    }, 500).unref();
  }

  /** Whether the last second was not silent. */
  hearsSound() {
    return this.#heard.some((sample) => Math.abs(sample) > LOUD);
  }

  /** Which of the tones have been in the last second. */
  heardTones(tones) {
    return tones.filter((hz) => amplitude(this.#heard, hz) > LOUD);
  }

  #send(method, cseq, body = '') {
    const via = `${this.#callId.slice(0, 8)}${cseq}${method}`;
    const lines = [
      `${method} ${this.#target} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${this.#sip.address().port};rport;branch=z9hG4bK${via}`,
      'Max-Forwards: 70',
      `From: ${this.#from}`,
      `To: ${this.#to}`,
      `Call-ID: ${this.#callId}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:phone@127.0.0.1:${this.#sip.address().port}>`,
      ...(body ? ['Content-Type: application/sdp'] : []),
      `Content-Length: ${body.length}`,
      '',
      body,
    ];
    this.#sip.send(lines.join('\r\n'), this.#port, '127.0.0.1');
  }

  #answer(request) {
    if (request.startsWith('ACK')) return;
    const kept = request
      .split('\r\n')
      .filter((line) => /^(via|from|to|call-id|cseq):/i.test(line));
    const reply = ['SIP/2.0 200 OK', ...kept, 'Content-Length: 0', '', ''].join('\r\n');
    this.#sip.send(reply, this.#port, '127.0.0.1');
  }

  /** What is due by the clock: on a busy machine a timer comes late, and a telephone does not. */
  #tick() {
    const due = Math.floor((performance.now() - this.#startedAt) / FRAME_MS);
    for (; this.#sent < due; this.#sent += 1) this.#sendFrame();
  }

  #sendFrame() {
    const step = this.#nextEvent();
    const payload = step ? eventPayload(step) : this.#tone();
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header[1] = step ? 101 | (step.tick === 0 ? 0x80 : 0) : 0;
    header.writeUInt16BE(this.#seq++ & 0xffff, 2);
    header.writeUInt32BE(step ? step.at : this.#sample, 4);
    header.writeUInt32BE(0x70686f6e, 8);
    this.#sample += FRAME;
    this.#rtp.send(Buffer.concat([header, payload]), this.#remote, '127.0.0.1');
  }

  /** 100 ms of a digit, three times its end, 100 ms of nothing. */
  #nextEvent() {
    if (!this.#event && this.#digits.length > 0) {
      this.#event = { code: '0123456789*#'.indexOf(this.#digits.shift()), tick: -1, at: this.#sample };
    }
    if (!this.#event) return null;
    this.#event.tick += 1;
    if (this.#event.tick >= 13) this.#event = null;
    return this.#event && this.#event.tick < 8 ? this.#event : null;
  }

  #tone() {
    const payload = Buffer.alloc(FRAME);
    for (let n = 0; n < FRAME; n += 1) {
      const angle = (2 * Math.PI * this.#toneHz * (this.#sample + n)) / 8000;
      payload[n] = encodePcmu(Math.round(Math.sin(angle) * 6000));
    }
    return payload;
  }

  #hear(packet) {
    if ((packet[1] & 0x7f) !== 0) return;
    for (const byte of packet.subarray(12)) this.#heard.push(decodePcmu(byte) / 32768);
    this.#heard.splice(0, Math.max(0, this.#heard.length - KEPT_SAMPLES));
  }
}

function eventPayload({ code, tick }) {
  const ends = tick >= 5 ? 0x80 : 0;
  const duration = FRAME * (Math.min(tick, 5) + 1);
  return Buffer.from([code, ends | 10, duration >> 8, duration & 0xff]);
}

function encodePcmu(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  const biased = Math.min(Math.abs(sample), 32635) + 132;
  const exponent = Math.max(0, 31 - Math.clz32(biased) - 7);
  return ~(sign | (exponent << 4) | ((biased >> (exponent + 3)) & 0x0f)) & 0xff;
}

function decodePcmu(byte) {
  const code = ~byte & 0xff;
  const exponent = (code >> 4) & 7;
  const magnitude = (((code & 0x0f) << 3) + 132) << exponent;
  return code & 0x80 ? 132 - magnitude : magnitude - 132;
}

/** Amplitude of one frequency, 0 to 1. */
function amplitude(samples, hz) {
  let [sine, cosine] = [0, 0];
  samples.forEach((sample, n) => {
    sine += sample * Math.sin((2 * Math.PI * hz * n) / 8000);
    cosine += sample * Math.cos((2 * Math.PI * hz * n) / 8000);
  });
  return samples.length === 0 ? 0 : (2 * Math.hypot(sine, cosine)) / samples.length;
}
