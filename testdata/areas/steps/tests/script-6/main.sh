#!/bin/sh
exit 6
