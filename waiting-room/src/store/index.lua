-- KEYS: room, live. ARGV: run, epoch, first byte.
-- Returns the phase and the live bits from there on, as of one moment.
return {redis.call('HGET', KEYS[1], 'phase'), redis.call('GETRANGE', KEYS[2], ARGV[3], -1)}
