'use strict';
// Pages: numbers and cursors, sizes and totals, both orders, over every list.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');

const { open, refused, newDID, unique } = require('./fixture');

const world = open(makeRows);
const ROWS = 25;
const DEFAULT_SIZE = 20;
const SIZE_MAX = 100;

const ids = (answer) => answer.list.map((row) => row.id);

/** Does one after another, so that the order of creation is known. */
async function times(n, make) {
  const made = [];
  for (let i = 0; i < n; i++) made.push(await make(i));
  return made;
}

/** The lists: how to ask each for the rows of one fixture, and their ids, oldest first. */
const lists = {};

async function makeRows({ payment }) {
  const meter = await world.meter({ decimal: 0 });
  const spender = newDID();
  const saver = newDID();
  const word = unique('page').replaceAll('-', '');

  const events = await times(ROWS, (i) => world.report(meter, spender, String(i)));
  lists['meter events'] = { list: (q) => payment.meterEvents.list({ customer_id: spender, ...q }), made: events };

  const grants = await times(ROWS, (i) => world.grant(meter, saver, String(i + 1)));
  lists['credit grants'] = { list: (q) => payment.creditGrants.list({ customer_id: saver, ...q }), made: grants };

  const rows = await world.rows(saver);
  assert.deepEqual(rows.map((row) => row.amount), grants.map((grant) => grant.amount));
  lists['credit transactions'] = { list: (q) => payment.creditTransactions.list({ customer_id: saver, ...q }), made: rows };

  const meters = await times(ROWS, (i) => world.meter({ name: `${word} ${i}`, currency_id: meter.currency_id }));
  lists.meters = { list: (q) => payment.meters.list({ q: word, ...q }), made: meters };

  const customers = await times(ROWS, (i) => payment.customers.retrieve(`${word}${i}`, { create: true }));
  lists['customer search'] = { list: (q) => payment.customers.search({ query: word, ...q }), made: customers };
}

for (const name of ['meter events', 'credit grants', 'credit transactions', 'meters', 'customer search']) {
  describe(name, () => {
    const list = (q = {}) => lists[name].list(q);
    const oldest = () => lists[name].made.map((row) => row.id);
    const newest = () => oldest().reverse();

    test('newest first, the first page by default', async () => {
      const answer = await list();
      assert.deepEqual(ids(answer), newest().slice(0, DEFAULT_SIZE));
      assert.equal(answer.count, ROWS);
      assert.equal(answer.total, ROWS);
      assert.deepEqual(answer.data, answer.list);
      assert.deepEqual(answer.paging, { page: 1, pageSize: DEFAULT_SIZE, totalPages: 2 });
    });

    test('page and pageSize', async () => {
      for (const pageSize of [1, 7, ROWS, SIZE_MAX]) {
        const pages = Math.ceil(ROWS / pageSize);
        const seen = [];
        for (let page = 1; page <= Math.min(pages, 4); page++) {
          const answer = await list({ page, pageSize });
          assert.equal(answer.count, ROWS);
          assert.deepEqual(answer.paging, { page, pageSize, totalPages: pages });
          seen.push(...ids(answer));
        }
        assert.deepEqual(seen, newest().slice(0, pageSize * 4));
      }
    });

    test('a page behind the last is empty, and the total stays exact', async () => {
      const answer = await list({ page: 3 });
      assert.deepEqual(answer.list, []);
      assert.equal(answer.count, ROWS);
    });

    test('limit means pageSize; no page holds more than 100', async () => {
      const answer = await list({ limit: 3 });
      assert.deepEqual(ids(answer), newest().slice(0, 3));
      assert.equal(answer.paging.pageSize, 3);
      assert.equal(answer.count, ROWS);
      const all = await list({ pageSize: 1000 });
      assert.equal(all.paging.pageSize, SIZE_MAX);
      assert.deepEqual(ids(all), newest());
    });

    test('order, in each of the ways in which clients write it', async () => {
      for (const order of ['created_at:ASC', ['created_at:ASC'], [['created_at', 'ASC']]]) {
        assert.deepEqual(ids(await list({ order, pageSize: 6, page: 2 })), oldest().slice(6, 12), JSON.stringify(order));
      }
      for (const order of ['created_at:DESC', ['created_at:DESC'], [['created_at', 'DESC']]]) {
        assert.deepEqual(ids(await list({ order, pageSize: 6, page: 2 })), newest().slice(6, 12), JSON.stringify(order));
      }
    });

    test('starting_after walks the list to its end', async () => {
      for (const [order, expected] of [['created_at:DESC', newest()], ['created_at:ASC', oldest()]]) {
        const seen = ids(await list({ order, limit: 10 }));
        for (;;) {
          const answer = await list({ order, limit: 10, starting_after: seen.at(-1) });
          assert.equal(answer.count, ROWS);
          if (answer.list.length === 0) break;
          seen.push(...ids(answer));
        }
        assert.deepEqual(seen, expected);
      }
    });

    test('ending_before gives what stands just before', async () => {
      const answer = await list({ limit: 5, ending_before: newest()[12] });
      assert.deepEqual(ids(answer), newest().slice(7, 12));
      assert.equal(answer.count, ROWS);
      assert.deepEqual(ids(await list({ limit: 5, ending_before: newest()[2] })), newest().slice(0, 2));
      const ascending = await list({ limit: 5, ending_before: oldest()[12], order: 'created_at:ASC' });
      assert.deepEqual(ids(ascending), oldest().slice(7, 12));
    });

    test('a cursor excludes page, and has to name a row', async () => {
      await refused(list({ page: 2, starting_after: newest()[3] }), { status: 400, param: 'page' });
      await refused(list({ starting_after: 'nothing' }), { status: 400, param: 'starting_after' });
    });

    test('wrong parameters are refused, unknown ones ignored', async () => {
      await refused(list({ page: 0 }), { status: 400, param: 'page' });
      await refused(list({ pageSize: 0 }), { status: 400, param: 'pageSize' });
      await refused(list({ page: 'two' }), { status: 400, param: 'page' });
      assert.deepEqual(ids(await list({ locale: 'en', whatever: [1, 2], nothing: null })), newest().slice(0, DEFAULT_SIZE));
    });
  });
}

test('a walk by cursor meets no row twice while new ones come in', async () => {
  const meter = await world.meter();
  const did = newDID();
  const first = await times(6, (i) => world.report(meter, did, String(i)));
  const list = (q) => world.payment.meterEvents.list({ customer_id: did, limit: 2, ...q });
  const seen = ids(await list());
  while (seen.length < first.length) {
    await world.report(meter, did, '1');
    const answer = await list({ starting_after: seen.at(-1) });
    seen.push(...ids(answer));
  }
  assert.deepEqual(seen, first.map((event) => event.id).reverse());
});

test('holders come in pages of their own shape', async () => {
  const meter = await world.meter({ decimal: 0 });
  const dids = await times(ROWS, newDID);
  await Promise.all(dids.map((did, i) => world.grant(meter, did, String(i + 1))));
  const { currency_id } = meter;
  const seen = [];
  for (let page = 1; page <= 3; page++) {
    const answer = await world.payment.creditGrants.holders({ currency_id, page, pageSize: 10 });
    assert.deepEqual(answer.paging, { page, pageSize: 10, total: ROWS, totalPages: 3 });
    assert.equal(answer.holders.length, page < 3 ? 10 : 5);
    seen.push(...answer.holders);
  }
  assert.deepEqual(seen.map((holder) => holder.customer_id).sort(), [...dids].sort());
  for (const { customer_id, balance, grantCount } of seen) {
    assert.equal(balance, String(dids.indexOf(customer_id) + 1));
    assert.equal(grantCount, 1);
  }
  const { holders, paging, currency } = await world.payment.creditGrants.holders({ currency_id });
  assert.equal(holders.length, DEFAULT_SIZE);
  assert.deepEqual(paging, { page: 1, pageSize: DEFAULT_SIZE, total: ROWS, totalPages: 2 });
  assert.equal(currency.id, currency_id);
  assert.equal(currency.decimal, 0);
});
