-- What scripts of the embedded cache see. Runs once, when the first script comes, with the functions that are
-- written in Rust, and returns the function that runs a script and the environment of all scripts.
--
-- No script may leave anything behind for the next one: every table of a library is an empty one here, whose
-- metatable shows the real one and refuses changes.
local native, limit_error = ...
local error, pcall, xpcall, type, select, tostring = error, pcall, xpcall, type, select, tostring
local rawset, rawget, setmetatable, getmetatable, unpack = rawset, rawget, setmetatable, getmetatable, unpack
local concat, sub = table.concat, string.sub
local is_over, seen = native.is_over, native.seen

local protected = {}

local function readonly()
    error("Attempt to modify a readonly table", 2)
end

-- What `getmetatable` gives for them.
local no_metatable = {}
setmetatable(no_metatable, { __newindex = readonly, __metatable = no_metatable })
protected[no_metatable] = true

-- A table that shows `content` and cannot be changed.
local function shown(content)
    local proxy = setmetatable({}, { __index = content, __newindex = readonly, __metatable = no_metatable })
    protected[proxy] = true
    return proxy
end

-- What is left of a call that may have failed: whoever catches errors cannot catch that of a limit, and sees
-- those of Rust as values of Lua.
local function caught(ok, ...)
    if is_over() then
        error(limit_error, 0)
    end
    if not ok and type((...)) == "userdata" then
        return ok, seen((...))
    end
    return ok, ...
end

-- As Redis' pcall, which gives the text of an error reply.
local function caught_text(ok, value, ...)
    if not ok and type(value) == "table" and type(value.err) == "string" then
        return ok, value.err
    end
    return ok, value, ...
end

-- Strings: patterns and repetition count their steps.
local search, gsub = native.search, native.gsub
local strings = {
    byte = string.byte, char = string.char, format = string.format, len = string.len, lower = string.lower,
    reverse = string.reverse, sub = sub, upper = string.upper, find = native.find, match = native.match,
    rep = native.rep,
}

local function captures_or_whole(s, first, last, ...)
    if select("#", ...) == 0 then
        return sub(s, first, last)
    end
    return ...
end

function strings.gmatch(s, pattern)
    local at = 1
    local function after(first, last, ...)
        if not first then
            at = nil
            return nil
        end
        at = last + 1
        if last < first then
            at = at + 1
        end
        return captures_or_whole(s, first, last, ...)
    end
    return function()
        if at and at <= #s + 1 then
            return after(search(s, pattern, at, false))
        end
    end
end
strings.gfind = strings.gmatch

-- A replacement by a function or out of a table.
local function replacement(by, whole, ...)
    local value
    if type(by) == "function" then
        value = by(captures_or_whole(whole, 1, -1, ...))
    else
        value = by[(captures_or_whole(whole, 1, -1, ...))]
    end
    if not value then
        return whole
    elseif type(value) ~= "string" and type(value) ~= "number" then
        error("invalid replacement value (a " .. type(value) .. ")", 4)
    end
    return value
end

function strings.gsub(s, pattern, by, most)
    if type(by) ~= "function" and type(by) ~= "table" then
        local text, count = gsub(s, pattern, by, most)
        return text, count
    end
    s = s .. ""
    local is_bound = sub(pattern, 1, 1) == "^"
    local pieces, count, at, from = {}, 0, 1, 1
    local function take(first, last, ...)
        if not first then
            return false
        end
        count = count + 1
        pieces[#pieces + 1] = sub(s, from, first - 1)
        pieces[#pieces + 1] = replacement(by, sub(s, first, last), ...)
        from = last + 1
        at = from
        if last < first then
            -- Nothing was matched: the next character is kept.
            pieces[#pieces + 1] = sub(s, at, at)
            at = at + 1
            from = at
        end
        return true
    end
    while (not most or count < most) and at <= #s + 1 and take(search(s, pattern, at, true)) and not is_bound do
    end
    pieces[#pieces + 1] = sub(s, from)
    return concat(pieces), count
end

local meta = getmetatable("")
meta.__index = strings
meta.__metatable = no_metatable

-- Redis' own library.
local redis = {
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REPL_NONE = 0, REPL_SLAVE = 1, REPL_REPLICA = 1, REPL_AOF = 2, REPL_ALL = 3,
    REDIS_VERSION = "7.0.15", REDIS_VERSION_NUM = 0x0007000f,
    sha1hex = native.sha1hex, error_reply = native.error_reply, status_reply = native.status_reply, log = native.log,
    setresp = native.setresp, set_repl = native.set_repl, acl_check_cmd = native.acl_check_cmd,
}

function redis.replicate_commands() return true end
function redis.breakpoint() return false end
function redis.debug() end

local maths = {}
for name, f in pairs(math) do
    maths[name] = f
end
maths.random, maths.randomseed = native.random, native.randomseed

local coroutines = {}
for name, f in pairs(coroutine) do
    coroutines[name] = f
end
local resume = coroutine.resume
function coroutines.resume(...) return caught(resume(...)) end

local environment

local function check_unprotected(t)
    if protected[t] then
        error("Attempt to modify a readonly table", 0)
    end
end

local globals = {
    assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, next = next, pairs = pairs,
    rawequal = rawequal, rawget = rawget, select = select, tonumber = tonumber, tostring = tostring, type = type,
    unpack = unpack, gcinfo = gcinfo, _VERSION = _VERSION,
    pcall = function(...) return caught_text(caught(pcall(...))) end,
    xpcall = function(...) return caught(xpcall(...)) end,
    rawset = function(t, k, v)
        check_unprotected(t)
        return rawset(t, k, v)
    end,
    setmetatable = function(t, m)
        check_unprotected(t)
        return setmetatable(t, m)
    end,
    collectgarbage = function(what)
        if what == nil or what == "collect" then
            return 0
        end
        return collectgarbage("count")
    end,
    loadstring = function(text, name)
        local ok, f = pcall(native.load, text, name, environment)
        if not ok then
            return nil, seen(f)
        end
        return f
    end,
    string = shown(strings), table = shown(table), math = shown(maths), coroutine = shown(coroutines), redis = shown(redis),
    cjson = shown(native.cjson), cmsgpack = shown(native.cmsgpack), struct = shown(native.struct), bit = shown(native.bit),
}
globals.load = function(reader, name)
    local pieces = {}
    while type(reader) == "function" do
        local piece = reader()
        if not piece or piece == "" then
            break
        end
        pieces[#pieces + 1] = piece
    end
    return globals.loadstring(concat(pieces), name)
end

setmetatable(globals, {
    __index = function(_, name)
        error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end,
})
environment = shown(globals)
rawset(globals, "_G", environment)

local describe = native.describe

-- Runs a script; returns whether it ended well, and its value or error.
local function run(script, call, pcall, keys, arguments)
    redis.call, redis.pcall = call, pcall
    rawset(globals, "KEYS", keys)
    rawset(globals, "ARGV", arguments)
    local ok, value = xpcall(script, describe)
    return ok, value
end

return run, environment
