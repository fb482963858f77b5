'use strict';
// Answers that get lost, and a client that tries again by itself: an event is
// counted exactly once, whatever happens between the two.

const assert = require('node:assert/strict');
const { before, after, describe, test } = require('node:test');

const { World, refused, newDID, unique, sum, sleep } = require('./fixture');
const { loadClient } = require('./client');
const { Proxy } = require('./proxy');
const { startServer } = require('./server');

const ATTEMPTS = 4; // that the client makes in all

const world = new World();
const proxy = new Proxy();

before(async () => {
  world.server = await startServer();
  await proxy.listen();
  proxy.target = world.server.url;
  world.payment = loadClient(proxy.url);
});
after(async () => {
  proxy.close();
  await world.server?.remove();
});

const loseAnswer = async (x) => {
  await x.forward();
  x.hangUp();
};
const loseHalfAnswer = async (x) => x.passHalf(await x.forward());
const loseRequest = async (x) => x.hangUp();
const overloaded = async (x) => x.answer(503, { error: 'too many requests are waiting', code: 'overloaded' });
const unknownOutcome = async (x) => {
  await x.forward();
  x.answer(503, { error: 'the outcome is unknown', code: 'outcome_unknown' });
};

/** A customer with 100 credits, and an identifier to use. */
async function customer() {
  const meter = await world.meter();
  const did = newDID();
  await world.grant(meter, did, '100');
  return { meter, did, identifier: unique('lost') };
}

/** Asserts that the identifier was counted once, as 10 of 100 credits. */
async function countedOnce({ meter, did, identifier }) {
  assert.equal(await world.remaining(meter, did), '9000');
  const events = await world.payment.meterEvents.list({ customer_id: did });
  assert.deepEqual(events.list.map((event) => event.identifier), [identifier]);
  assert.equal(events.count, 1);
  const rows = await world.rows(did);
  assert.deepEqual(rows.map((row) => row.amount), ['10000', '-1000']);
}

describe('the client tries again by itself', { concurrency: true }, () => {
  const cases = [
    { name: 'the answer is lost once', faults: [loseAnswer], duplicate: true },
    { name: 'the answer is lost three times', faults: [loseAnswer, loseAnswer, loseAnswer], duplicate: true },
    { name: 'the answer breaks off in the middle', faults: [loseHalfAnswer], duplicate: true },
    { name: 'the request never arrives', faults: [loseRequest], duplicate: false },
    { name: 'a 503 before the event is counted', faults: [overloaded], duplicate: false },
    { name: 'a 503 after the event is counted', faults: [unknownOutcome], duplicate: true },
    { name: 'one after the other', faults: [overloaded, loseRequest, loseAnswer], duplicate: true },
  ];
  for (const { name, faults, duplicate } of cases) {
    test(name, async () => {
      const own = await customer();
      proxy.lose(own.identifier, ...faults);
      const event = await world.report(own.meter, own.did, '10', { identifier: own.identifier });
      assert.equal(proxy.attempts.get(own.identifier), faults.length + 1);
      assert.equal(Boolean(event.duplicate), duplicate);
      assert.equal(event.credit_consumed, '1000');
      assert.equal(event.status, 'completed');
      await countedOnce(own);
    });
  }

  test('every answer is lost and the client gives up: sending again is safe', async () => {
    const own = await customer();
    proxy.lose(own.identifier, ...Array(ATTEMPTS).fill(loseAnswer));
    const report = () => world.report(own.meter, own.did, '10', { identifier: own.identifier });
    await assert.rejects(report(), (err) => err.response === undefined);
    assert.equal(proxy.attempts.get(own.identifier), ATTEMPTS);
    const event = await report();
    assert.equal(event.duplicate, true);
    await countedOnce(own);
  });

  test('a refusal is final: one attempt', async () => {
    const own = await customer();
    proxy.lose(own.identifier);
    const call = world.report({ event_name: unique('nobody') }, own.did, '10', { identifier: own.identifier });
    await refused(call, { status: 404, param: 'event_name' });
    assert.equal(proxy.attempts.get(own.identifier), 1);
  });

  test('twenty callers send the same event at once', async () => {
    const own = await customer();
    const calls = Array.from({ length: 20 }, () => world.report(own.meter, own.did, '10', { identifier: own.identifier }));
    const events = await Promise.all(calls);
    assert.equal(new Set(events.map((event) => event.id)).size, 1);
    assert.equal(events.filter((event) => !event.duplicate).length, 1);
    for (const event of events) assert.equal(event.credit_consumed, '1000');
    await countedOnce(own);
  });

  test('two hundred events, a third of the answers lost', async () => {
    const meter = await world.meter({ decimal: 0 });
    const did = newDID();
    await world.grant(meter, did, '1000');
    const values = Array.from({ length: 200 }, (_, i) => String((i % 5) + 1));
    const identifiers = values.map((_, i) => unique(`many${i}`));
    identifiers.forEach((identifier, i) => i % 3 === 0 && proxy.lose(identifier, loseAnswer));
    const events = await Promise.all(values.map((value, i) => world.report(meter, did, value, { identifier: identifiers[i] })));
    events.forEach((event, i) => assert.equal(Boolean(event.duplicate), i % 3 === 0, event.identifier));
    assert.equal(new Set(events.map((event) => event.id)).size, values.length);
    assert.equal(await world.remaining(meter, did), String(1000n - sum(values)));
    const { total } = await world.payment.meterEvents.list({ customer_id: did });
    assert.equal(total, values.length);
  });
});

describe('a batch and the client share the identifiers', () => {
  test('whoever comes first, an event is counted once', async () => {
    const { meter, did, identifier } = await customer();
    const events = ['10', 'ten', '5'].map((value, i) => ({
      event_name: meter.event_name,
      payload: { customer_id: did, value },
      identifier: i === 0 ? identifier : unique('batch'),
    }));
    const send = () => world.raw('POST', '/api/meter-events/batch?livemode=true', events);
    const first = await send();
    assert.equal(first.status, 200, JSON.stringify(first.body));
    const { results, ...counts } = first.body;
    assert.deepEqual(counts, { accepted: 2, duplicates: 0, rejected: 1 });
    assert.deepEqual(results.map((result) => result.index), [1]);
    assert.equal(typeof results[0].error, 'string');
    const again = await send();
    assert.deepEqual([again.body.accepted, again.body.duplicates, again.body.rejected], [0, 2, 1]);
    const single = await world.report(meter, did, '10', { identifier });
    assert.equal(single.duplicate, true);
    assert.equal(single.created_via, 'batch');
    assert.equal(await world.remaining(meter, did), '8500');
    events[2].identifier = unique('single');
    await world.report(meter, did, '5', { identifier: events[2].identifier });
    assert.deepEqual((await send()).body.duplicates, 2);
    assert.equal(await world.remaining(meter, did), '8000');
  });
});

describe('the server ends between the attempts, and comes back on its data', () => {
  const killed = async () => {
    await world.server.kill();
    await world.server.start();
  };

  test('killed after it has answered', async () => {
    const own = await customer();
    proxy.lose(own.identifier, async (x) => {
      const answer = await x.forward();
      assert.equal(answer.status, 200);
      await killed();
      x.hangUp();
    });
    const event = await world.report(own.meter, own.did, '10', { identifier: own.identifier });
    assert.equal(event.duplicate, true, 'what was answered was on disk');
    assert.equal(proxy.attempts.get(own.identifier), 2);
    await countedOnce(own);
  });

  test('killed before the request arrives', async () => {
    const own = await customer();
    proxy.lose(own.identifier, async (x) => {
      await killed();
      x.hangUp();
    });
    const event = await world.report(own.meter, own.did, '10', { identifier: own.identifier });
    assert.ok(!event.duplicate);
    await countedOnce(own);
  });

  for (const ms of [0, 1, 2, 4]) {
    test(`killed ${ms} ms after the request was sent, with no answer yet`, async () => {
      const own = await customer();
      proxy.lose(own.identifier, async (x) => {
        const { sent, answered } = x.send();
        answered.catch(() => {}); // it may or may not come
        await sent;
        await sleep(ms);
        await killed();
        x.hangUp();
      });
      const event = await world.report(own.meter, own.did, '10', { identifier: own.identifier });
      assert.equal(event.credit_consumed, '1000');
      await countedOnce(own); // counted by the first attempt or the second
    });
  }

  test('an orderly end loses nothing either', async () => {
    const own = await customer();
    await world.report(own.meter, own.did, '10', { identifier: own.identifier });
    const rows = await world.rows(own.did);
    const { child } = world.server;
    await world.server.stop();
    assert.equal(child.exitCode, 0, `ended by ${child.signalCode}`);
    await world.server.start();
    await countedOnce(own);
    assert.deepEqual(await world.rows(own.did), rows);
    const again = await world.report(own.meter, own.did, '10', { identifier: own.identifier });
    assert.equal(again.duplicate, true);
  });

  test('killed twice, and with it what was owed', async () => {
    const meter = await world.meter();
    const did = newDID();
    await world.grant(meter, did, '5');
    const identifier = unique('owed');
    const kill = async (x) => {
      await x.forward();
      await killed();
      x.hangUp();
    };
    proxy.lose(identifier, kill, kill);
    const event = await world.report(meter, did, '8', { identifier });
    assert.equal(event.duplicate, true);
    assert.equal(event.status, 'requires_capture');
    assert.equal(event.credit_consumed, '500');
    assert.equal(await world.pending(meter, did), '300');
    await world.grant(meter, did, '10');
    assert.equal((await world.payment.meterEvents.retrieve(event.id)).status, 'completed');
    assert.equal(await world.remaining(meter, did), '700');
  });
});
