import { scriptOf } from './redis-buffer-call.ts';
import { VERSION_END, VERSION_START } from './redis-buffer-value.ts';

// pcall: a foreign value of another type under one key makes that one reply an error table instead of ending the script
// between two keys; a missing key reads as ''. Both, and a foreign text, count as older than every version. What is
// expected, if anything, is a version and need not be looked at.
const STORED = `
local function stored(key, expected)
  local version = redis.pcall('GETRANGE', key, ${VERSION_START}, ${VERSION_END})
  if version == '' or version == expected then return version end
  if type(version) == 'string' and string.find(version, '^ *%d+$') then return version end
  return ''
end`;

/**
 * KEYS: rows, each once, ARGV[i]: value of KEYS[i], and last the expiry in ms. Sets each key unless a newer version is
 * stored. Where none of them is stored, as with rows just inserted, one question does for all.
 */
export const SET_IF_NEWER = scriptOf(`${STORED}
local expiry = ARGV[#ARGV]
local areNew = redis.call('EXISTS', unpack(KEYS)) == 0
for i, key in ipairs(KEYS) do
  local value = ARGV[i]
  if areNew or stored(key) <= string.sub(value, ${VERSION_START + 1}, ${VERSION_END + 1}) then
    redis.call('SET', key, value, 'PX', expiry)
  end
end
return #KEYS`);

/** KEYS: rows, ARGV[i]: version of KEYS[i]. Removes each key unless a newer version is stored, all of them at once. */
export const REMOVE_IF_NOT_NEWER = scriptOf(`${STORED}
local gone = {}
for i, key in ipairs(KEYS) do
  if stored(key, ARGV[i]) <= ARGV[i] then gone[#gone + 1] = key end
end
if #gone > 0 then redis.call('UNLINK', unpack(gone)) end
return #KEYS`);
