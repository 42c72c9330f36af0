/** A Canal message as an object, with the fields given in place of the defaults: one row of shop.orders, inserted. */
export function canalMessage(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    data: [{ id: '1', note: 'a' }],
    database: 'shop',
    es: 1791170400000,
    gtid: '',
    id: 1,
    isDdl: false,
    mysqlType: { id: 'int(11)', note: 'varchar(40)' },
    old: null,
    pkNames: ['id'],
    sql: '',
    sqlType: { id: 4, note: 12 },
    table: 'orders',
    ts: 1791170400180,
    type: 'INSERT',
    ...fields,
  };
}
