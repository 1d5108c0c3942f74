package presence

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// fullState has something in every field: the places are numbered, so that
// no two hold the same.
func fullState() *State {
	n := 0
	s := &State{}
	fillFull(reflect.ValueOf(s).Elem(), &n)
	return s
}

func fillFull(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString("value " + strings.Repeat("x", *n%19))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillFull(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillFull(v.Index(0), n)
		fillFull(v.Index(1), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(*n)*1000, 5).In(time.FixedZone("", 3600))))
			return
		}
		for i := range v.NumField() {
			fillFull(v.Field(i), n)
		}
	default:
		panic("no value for a " + v.Kind().String())
	}
}

// change visits every place of v, changes it in each way that it can change,
// calls check, and puts it back.
func change(path string, v reflect.Value, check func(path string)) {
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	try := func(how string, x any) {
		v.Set(reflect.ValueOf(x).Convert(v.Type()))
		check(path + how)
		v.Set(old)
	}
	switch v.Kind() {
	case reflect.String:
		try(" other", v.String()+"!")
		try(" empty", "")
	case reflect.Bool:
		try(" false", false)
	case reflect.Int:
		try(" more", v.Int()+1)
	case reflect.Uint8:
		try(" more", v.Uint()+1)
	case reflect.Pointer:
		v.SetZero()
		check(path + " absent")
		v.Set(old)
		change(path, v.Elem(), check)
	case reflect.Slice:
		v.SetZero()
		check(path + " absent")
		v.Set(old.Slice(0, 1))
		check(path + " shorter")
		v.Set(old)
		swap := reflect.Swapper(v.Interface())
		swap(0, 1)
		check(path + " swapped")
		swap(0, 1)
		change(path+"[1]", v.Index(1), check)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			try(" later", t.Add(1))
			try(" offset", t.In(time.FixedZone("", 7200)))
			try(" absent", time.Time{})
			return
		}
		for i := range v.NumField() {
			change(path+"."+v.Type().Field(i).Name, v.Field(i), check)
		}
	}
}

func TestEqualSeesEveryField(t *testing.T) {
	want, s := fullState(), fullState()
	if !Equal(want, s) {
		t.Fatal("two States made alike are not equal")
	}
	changes := 0
	change("State", reflect.ValueOf(s).Elem(), func(path string) {
		changes++
		if Equal(want, s) || Equal(s, want) {
			t.Errorf("%s: still Equal", path)
		}
	})
	if !Equal(want, s) {
		t.Fatal("the test did not put everything back")
	}
	if changes < 300 {
		t.Fatalf("only %d changes were tried", changes)
	}
}

func TestEqualOfTimes(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	state := func(x time.Time) *State { return &State{Persons: []Person{{Timestamp: x}}} }
	for _, tt := range []struct {
		name string
		a, b time.Time
		want bool
	}{
		{"same zone under another name", at.In(time.FixedZone("a", 3600)), at.In(time.FixedZone("b", 3600)), true},
		{"UTC and offset 0", at.UTC(), at.In(time.FixedZone("", 0)), true},
		{"other offset", at.UTC(), at.In(time.FixedZone("", 3600)), false},
		{"other fraction", at, at.Add(time.Nanosecond), false},
		{"absent", at, time.Time{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := state(tt.a), state(tt.b)
			if got := Equal(a, b); got != tt.want {
				t.Errorf("Equal = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEqualOfNothing(t *testing.T) {
	var none *State
	if !Equal(none, none) || Equal(none, &State{}) || Equal(&State{}, none) {
		t.Error("a nil State is equal to itself alone")
	}
	empty := &State{Services: []Service{}, Notes: []Note{}, Ext: []RawXML{}}
	if !Equal(empty, &State{}) {
		t.Error("an empty list is not the same as an absent one")
	}
}

func BenchmarkEqual(b *testing.B) {
	x, y := fullState(), fullState()
	b.ReportAllocs()
	for b.Loop() {
		Equal(x, y)
	}
}
