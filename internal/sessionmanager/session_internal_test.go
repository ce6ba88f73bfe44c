// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWholeSeconds checks dates that the SDK's decoder cannot produce.
func TestWholeSeconds(t *testing.T) {
	t.Parallel()

	west := time.FixedZone("west", -3600)
	for name, tc := range map[string]struct {
		in   time.Time
		want time.Time
	}{
		"the first date":             {time.Date(1, 1, 1, 0, 0, 1, 5, time.UTC), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)},
		"the last date":              {time.Date(9999, 12, 31, 23, 59, 59, 999, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		"another time zone":          {time.Date(2024, 2, 29, 23, 30, 0, 1, west), time.Date(2024, 3, 1, 0, 30, 0, 0, time.UTC)},
		"the year 10000":             {time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}},
		"the year 10000 in UTC only": {time.Date(9999, 12, 31, 23, 30, 0, 0, west), time.Time{}},
		"the year 0":                 {time.Date(0, 12, 31, 23, 59, 59, 0, time.UTC), time.Time{}},
		"the year 1 in UTC only":     {time.Date(0, 12, 31, 23, 30, 5, 0, west), time.Date(1, 1, 1, 0, 30, 5, 0, time.UTC)},
		"before Christ":              {time.Date(-44, 3, 15, 0, 0, 0, 0, time.UTC), time.Time{}},
		"nanoseconds overflow":       {time.Date(200000, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := wholeSeconds(&tc.in)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Location() != time.UTC {
				t.Errorf("%s is not in UTC", got)
			}
		})
	}
	if got := wholeSeconds(nil); !got.IsZero() {
		t.Errorf("no date becomes %s", got)
	}
}
