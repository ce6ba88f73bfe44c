// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

// OwnerExample returns an owner of a place that a pattern matches, if there is one.
func OwnerExample(pattern string, place Place) (string, bool) {
	return fitsAny(pattern, recordedShapes(place.Partition, place.Account))
}
