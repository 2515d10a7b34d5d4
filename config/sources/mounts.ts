import { readFileSync } from 'node:fs'

/**
 * Whether a file is on a bind mount, as in a container, or on a file system that has no permissions of its own, such as
 * Windows' drives in WSL. The permissions of such a file cannot be changed from here.
 * @param path a real path, without symbolic links
 * @param mountinfo the content of /proc/self/mountinfo (proc_pid_mountinfo(5))
 */
export function isMounted(path: string, mountinfo = readMountinfo()): boolean {
  const mount = mountinfo
    .split('\n')
    .map(parseMount)
    .filter(({ point }) => path === point || path.startsWith(`${point}/`))
    .reduce((max, one) => (one.point.length >= max.point.length ? one : max), rootMount)
  return mount.root !== '/' || /^(?:9p|cifs|fuse|vfat|virtiofs)/.test(mount.type)
}

/** A mount: where it is, which directory of its file system is there, and the type of that file system. */
type Mount = Readonly<{ point: string; root: string; type: string }>

const rootMount: Mount = { point: '', root: '/', type: '' }

function parseMount(line: string): Mount {
  const [mount = '', fileSystem = ''] = line.split(' - ')
  const [, , , root = '/', point = '/'] = mount.split(' ')
  const unescaped = point.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
  // The root of the file system is not a bind mount, even if it is a subvolume, as with Btrfs.
  return point === '/' ? rootMount : { point: unescaped, root, type: fileSystem.split(' ')[0]! }
}

/** Empty on systems without it. */
function readMountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return ''
  }
}
