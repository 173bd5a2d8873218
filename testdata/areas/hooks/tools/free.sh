#!/bin/sh
case "$1" in */small) echo 400 ;; */big) if [ -e "$MT_RUN_AREA_HOME/room" ]; then echo 9000; else echo 5000; fi ;; *) echo unknown ;; esac
