package pidf

import "time"

// parseTime reads RFC 3339 §5.6 and, as some clients write it, with small
// letters or without an offset, which is then taken as UTC. A leap second is
// read as the second before it.
func parseTime(b []byte) (time.Time, bool) {
	b = trim(b)
	if len(b) < len("2006-01-02T15:04:05") || b[4] != '-' || b[7] != '-' || b[10]|0x20 != 't' || b[13] != ':' || b[16] != ':' {
		return time.Time{}, false
	}
	year := 100*two(b) + two(b[2:])
	month, day := two(b[5:]), two(b[8:])
	hour, minute, second := two(b[11:]), two(b[14:]), two(b[17:])
	nanos, rest := fraction(b[19:])
	zone := offset(rest)
	if two(b) < 0 || two(b[2:]) < 0 || year < 1 || month < 1 || month > 12 || day < 1 || day > days(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || nanos < 0 || zone == nil {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, min(second, 59), nanos, zone), true
}

// days is the number of days of a month (RFC 3339 §5.7).
func days(year, month int) int {
	switch {
	case month == 2 && (year%4 != 0 || year%100 == 0 && year%400 != 0):
		return 28
	case month == 2:
		return 29
	case month == 4, month == 6, month == 9, month == 11:
		return 30
	}
	return 31
}

// two reads two digits, -1 when they are none.
func two(b []byte) int {
	x, y := b[0]-'0', b[1]-'0'
	if x > 9 || y > 9 {
		return -1
	}
	return int(x)*10 + int(y)
}

// fraction reads the fraction of a second, if there is one, in nanoseconds; -1
// when it is broken.
func fraction(b []byte) (nanos int, rest []byte) {
	if len(b) == 0 || b[0] != '.' {
		return 0, b
	}
	i := 1
	for scale := 100_000_000; i < len(b) && b[i]-'0' <= 9; i++ {
		nanos += int(b[i]-'0') * scale
		scale /= 10
	}
	if i == 1 {
		return -1, b
	}
	return nanos, b[i:]
}

// offset reads "Z" or "+hh:mm"; nil when it is broken.
func offset(b []byte) *time.Location {
	switch {
	case len(b) == 0, len(b) == 1 && b[0]|0x20 == 'z':
		return time.UTC
	case len(b) != len("+00:00") || b[3] != ':' || b[0] != '+' && b[0] != '-':
		return nil
	}
	hour, minute := two(b[1:]), two(b[4:])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return nil
	}
	seconds := hour*3600 + minute*60
	if seconds == 0 {
		return time.UTC
	}
	if b[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds)
}
