import type { Dialect } from './store-sql.ts';

/** SQL of the columns, in the words of one database. */
export interface ColumnTypes {
  readonly id: string;
  readonly number: string;
  readonly flag: string;
  readonly body: string;
  readonly time: string;
  readonly now: string;
  /** Text that is compared byte by byte: no case, accent or trailing blank is folded. At most `length` characters. */
  exact(length: number): string;
}

/** `collation`: a binary one without padding. `utf8mb4_bin` would not do: it takes 'a' and 'a ' for the same key. */
export function columnTypes(dialect: Dialect, collation: string): ColumnTypes {
  if (dialect.name === 'sqlite') {
    return {
      id: 'INTEGER PRIMARY KEY AUTOINCREMENT', // ids are cursors: none may be used twice
      number: 'INTEGER NOT NULL',
      flag: 'INTEGER NOT NULL',
      body: 'TEXT NOT NULL',
      time: 'TEXT NOT NULL',
      now: "DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))",
      exact: () => 'TEXT NOT NULL',
    };
  }
  return {
    id: 'BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY',
    number: 'BIGINT NOT NULL',
    flag: 'TINYINT(1) NOT NULL',
    body: 'LONGTEXT CHARACTER SET utf8mb4 NOT NULL', // not JSON: MariaDB and MySQL would rewrite the text and round big numbers
    time: 'TIMESTAMP(3) NOT NULL',
    now: 'DEFAULT CURRENT_TIMESTAMP(3)',
    exact: (length) => `VARCHAR(${length}) CHARACTER SET utf8mb4 COLLATE ${collation} NOT NULL`,
  };
}

/** Where a change is in the log and which row it is about: the same columns wherever changes are kept. */
export function placeColumns(types: ColumnTypes): string[] {
  return [
    `topic ${types.exact(249)}`,
    `partition_no ${types.number}`,
    `record_offset ${types.number}`,
    `version ${types.number}`,
    `database_name ${types.exact(64)}`,
    `table_name ${types.exact(129)}`,
    `primary_key ${types.exact(512)}`,
  ];
}
