import { readFileSync } from 'node:fs';
import type { Secret } from './secret.ts';
import type { TlsSettings } from './tls-schema.ts';

/** Options of Node's TLS, as every client takes them: PEM texts. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

export function isEncrypted(tls: TlsSettings | undefined): boolean {
  if (tls === undefined) return false;
  return tls.enabled ?? Object.keys(tls).length > 0;
}

/** The TLS options of a connection with its PEM files read; null when it is in plain text. */
export function tlsOptions(tls: TlsSettings | undefined): TlsOptions | null {
  if (tls === undefined || !isEncrypted(tls)) return null;
  const { ca, cert, key, servername } = tls as Extract<TlsSettings, { ca?: string }>;
  return {
    ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert, 'utf8') }),
    ...(key === undefined ? {} : { key: readFileSync(key, 'utf8') }),
    ...(servername === undefined ? {} : { servername }),
  };
}

/** A URL with user and password put back in, for clients that take them nowhere else. The result is a secret. */
export function urlWithCredentials(url: string, username?: string, password?: Secret): string {
  const full = new URL(url);
  if (username !== undefined) full.username = encodeURIComponent(username);
  if (password !== undefined) full.password = encodeURIComponent(password.reveal());
  return full.href;
}

/** Takes user and password out of a URL; null when it holds neither or is no URL. */
export function splitCredentials(url: string): { url: string; username: string; password: string } | null {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.username === '' && parsed.password === '')) return null;
  const username = decoded(parsed.username);
  const password = decoded(parsed.password);
  parsed.username = '';
  parsed.password = '';
  return { url: parsed.href, username, password };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether a `host:port` or a URL points to this machine. */
export function isLoopback(place: string): boolean {
  const host = URL.parse(place.includes('://') ? place : `tcp://${place}`)?.hostname ?? '';
  return host === 'localhost' || host.endsWith('.localhost') || /^127\.\d+\.\d+\.\d+$/.test(host) || host === '[::1]';
}
