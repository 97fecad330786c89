-- Sends one body over and over, each time with event ids that were never sent before:
-- the eight letters that stand for the start of every id become a counter.
-- Arguments: the file of the body, the number of the run, and names and values of headers.
local PLACE = "@@@@@@@@"
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local body = file:read("*a")
  file:close()
  wrk.method = "POST"
  run = tonumber(args[2])
  for i = 3, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
  count = 0
  pieces = {}
  local from = 1
  while true do
    local first, last = body:find(PLACE, from, true)
    if not first then break end
    pieces[#pieces + 1] = body:sub(from, first - 1)
    pieces[#pieces + 1] = PLACE
    from = last + 1
  end
  pieces[#pieces + 1] = body:sub(from)
end

function request()
  count = count + 1
  local id = string.format("%01x%01x%06x", run, number, count)
  for i = 2, #pieces, 2 do pieces[i] = id end
  return wrk.format(nil, nil, nil, table.concat(pieces))
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.6f, "p99": %.6f}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
