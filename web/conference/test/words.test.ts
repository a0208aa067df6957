import { describe, expect, test } from 'vitest';
import { colourOf, fitTiles, initials, maskedNumber, pageOf } from '../src/people.js';
import { newRoom, pinOfRoom, readableRoom, roomOfInput, roomOfPath } from '../src/room.js';

describe('rooms', () => {
  test('a new one is a PIN of nine digits that does not start with 0', () => {
    const bytes = [0, 250, 255, 10, 7, 249, 3, 1, 2, 4, 5, 6, 8];
    const random = (into: Uint8Array) => into.set([bytes.shift() ?? 0]);
    expect(newRoom(random)).toBe('793124568');
  });

  test('new ones differ', () => {
    const rooms = new Set(Array.from({ length: 200 }, () => newRoom()));
    expect(rooms.size).toBe(200);
    for (const room of rooms) expect(pinOfRoom(room)).toBe(room);
  });

  test.each([
    ['/', null],
    ['/join/1234', '1234'],
    ['/join/abcDEF123/', 'abcDEF123'],
    ['/join/', ''],
    ['/join/12', ''],
    ['/join/12%2F34', ''],
    ['/join/1234/more', ''],
    ['/elsewhere', ''],
    ['/join/<script>', ''],
  ])('the path %s names %o', (path, room) => {
    expect(roomOfPath(path)).toBe(room);
  });

  test.each([
    ['1234', '1234'],
    [' 123 456-789 ', '123456789'],
    ['https://talk.example.org/join/abc123', 'abc123'],
    ['12', ''],
    ['', ''],
    ['what?', ''],
  ])('who types "%s" means "%s"', (text, room) => {
    expect(roomOfInput(text)).toBe(room);
  });

  test.each([
    ['123', '123'],
    ['123456789', '123 456 789'],
    ['1234567', '123 4567'],
    ['12345678', '123 456 78'],
    ['abc123def456', 'abc123def456'],
  ])('%s is written %s', (room, text) => {
    expect(readableRoom(room)).toBe(text);
  });

  test.each([
    ['123', '123'],
    ['123456789012', '123456789012'],
    ['1234567890123', ''],
    ['abc123', ''],
  ])('the PIN of %s is "%s"', (room, pin) => {
    expect(pinOfRoom(room)).toBe(pin);
  });
});

describe('people', () => {
  test.each([
    ['+31612345678', '+316 •••••• 78'],
    ['0201234567', '020 ••••• 67'],
    ['+316****678', '+316 •••• 678'],
    ['**34', '•••• 34'],
    ['1234', '1234'],
    ['12345', '1 •• 45'],
    ['anonymous', 'Telephone'],
    ['', 'Telephone'],
  ])('the number %s is shown as %s', (number, shown) => {
    expect(maskedNumber(number)).toBe(shown);
  });

  test.each([
    ['Anna', 'A'],
    ['Anna Maria de Boer', 'AB'],
    ['  jan  ', 'J'],
    ['👩‍🚀 Zoë', '👩‍🚀Z'],
    ['Bob <b>Brown</b>', 'BB'],
    ['(anna)', 'A'],
    ['李小龙', '李'],
    ['', '?'],
    ['...', '?'],
  ])('the initials of "%s" are %s', (name, letters) => {
    expect(initials(name)).toBe(letters);
  });

  test('a colour stays with its owner', () => {
    expect(colourOf('anna')).toBe(colourOf('anna'));
    const colours = new Set(Array.from({ length: 100 }, (_, i) => colourOf(`guest${i}`)));
    expect(colours.size).toBe(8);
  });

  test.each([
    [1, 1280, 620, 1102, 620],
    [2, 1280, 620, 634, 356],
    [4, 1280, 620, 540, 304],
    [9, 1280, 620, 353, 198],
    [2, 340, 600, 340, 255],
    [6, 340, 600, 164, 123],
    [9, 340, 600, 147, 110],
    [0, 340, 600, 340, 255],
  ])('%i tiles in %i by %i are %i by %i', (count, width, height, wide, high) => {
    expect(fitTiles(count, width, height)).toEqual({ width: wide, height: high });
  });

  test.each([
    ['', 0, 0, 1, ''],
    ['abc', 0, 0, 1, 'abc'],
    ['abcdefg', 1, 1, 3, 'def'],
    ['abcdefg', 2, 2, 3, 'g'],
    ['abcdef', 2, 1, 2, 'def'],
    ['abc', -1, 0, 1, 'abc'],
  ])('of "%s" page %i is page %i of %i: "%s"', (all, wanted, page, pages, shown) => {
    const found = pageOf([...all], wanted, 3);
    expect({ ...found, shown: found.shown.join('') }).toEqual({ page, pages, shown });
  });
});
