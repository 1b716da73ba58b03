(** Chapter 08, the parity trap on the hexagon. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training Network prop_parity lem_frozen.
Open Scope R_scope.

(** Six points on the unit circle, labels alternating. *)
Definition hexagon (i : nat) : euclidean 2 :=
  fun c => match c with O => cos (INR i * (PI / 3)) | _ => sin (INR i * (PI / 3)) end.
Definition alternating (i : nat) : R := if Nat.even i then 1 else -1.

Definition pseudo_huber (u : R) : R := sqrt (1 + (u - 1) ^ 2) - 1.

Lemma dot_hexagon i (u : euclidean 2) :
  << u, hexagon i >> = u 0%nat * cos (INR i * (PI / 3)) + u 1%nat * sin (INR i * (PI / 3)).
Proof. unfold euclidean in *. simpl. ring. Qed.

(** The point three places on is the antipode. *)
Lemma antipode i (u : euclidean 2) : << u, hexagon (i + 3) >> = << u, -1 * hexagon i >>.
Proof.
  rewrite dot_vscal_r, !dot_hexagon, plus_INR.
  replace ((INR i + INR 3) * (PI / 3)) with (INR i * (PI / 3) + PI) by (simpl; field).
  rewrite neg_cos, neg_sin. ring.
Qed.

(** Three points at 120 degrees from one another add up to zero. *)
Lemma three_points (u : euclidean 2) :
  << u, hexagon 0 >> + << u, hexagon 2 >> + << u, hexagon 4 >> = 0.
Proof.
  rewrite !dot_hexagon.
  replace (INR 0 * (PI / 3)) with 0 by (simpl; ring).
  replace (INR 2 * (PI / 3)) with (PI - PI / 3) by (simpl; field).
  replace (INR 4 * (PI / 3)) with (PI / 3 + PI) by (simpl; field).
  rewrite cos_0, sin_0, cos_minus, sin_minus, neg_cos, neg_sin, cos_PI, sin_PI, cos_PI3, sin_PI3.
  field.
Qed.

Lemma pseudo_huber_convex : convex pseudo_huber.
Proof.
  (* the norm of (1, u - 1), which obeys the triangle inequality *)
  set (p := fun u : R => (fun c => match c with O => 1 | _ => u - 1 end) : euclidean 2).
  assert (E : forall u, pseudo_huber u = norm (p u) - 1).
  { intros u. unfold pseudo_huber, norm. f_equal. f_equal. simpl. ring. }
  intros u v s Hs. rewrite !E.
  assert (T := norm_triangle ((1 - s) * p u)%vec (s * p v)%vec).
  rewrite !norm_vscal, !Rabs_pos_eq in T by lra.
  assert (Ep : norm (p (u + s * (v - u))) = norm ((1 - s) * p u + s * p v)%vec).
  { unfold norm. f_equal. simpl. ring. }
  rewrite Ep. lra.
Qed.

Theorem thm_trap :
  forall (m : nat) (a : nat -> R) (sigma phi : R -> R) (B : nat -> euclidean 2 -> Prop)
    (w : rows (euclidean 2) m) (robust : R),
  let loss u y := phi (y * u) in
  let f := net m a sigma in
  (forall z, sigma z - sigma (- z) = z) ->  (* book: \sigma(z)-\sigma(-z)=z *)
  convex phi ->  (* book: $\varphi$ convex *)
  (forall i, (i < 6)%nat -> B i (hexagon i)) ->
  (* book: whatever the perturbation sets, as long as they contain their points *)
  is_robust_loss loss f 6 alternating B w robust ->  (* book: L_*(W)\ \ge *)
  total 6 (fun i => alternating i * f w (hexagon i)) = 0  (* book: \sum_iy_if(W,x_i)=0 *)
  /\
  phi 0 <= mean 6 (fun i => loss (f w (hexagon i)) (alternating i)) <= robust
  (* book: \ge\ \frac16\sum_{i=1}^6\ell\bigl(f(W,x_i),y_i\bigr)\ \ge\ \varphi(0) *)
  /\
  (* book: The output zero attains this *)
  ((forall x, f w x = 0) ->
    frozen_loss loss f 6 alternating hexagon w = phi 0 /\
    forall g, is_gradient (frozen_loss loss f 6 alternating hexagon) w g -> forall v, << g, v >> = 0)
  /\
  (* book: for the pseudo-Huber loss $\varphi(0)=\sqrt2-1$ *)
  convex pseudo_huber /\ pseudo_huber 0 = sqrt 2 - 1.
Proof.
  intros m a sigma phi B w robust loss f Hsigma Hphi HB Hrob.
  assert (sum_zero : forall w, total 6 (fun i => alternating i * f w (hexagon i)) = 0).
  { clear w Hrob. intros w.
    destruct (prop_parity (euclidean 2) m a sigma w) as [Ha _].
    destruct (Ha Hsigma) as [u Hu]. fold f in Hu.
    assert (anti : forall i, f w (hexagon (i + 3)) = f w (-1 * hexagon i)%vec).
    { intros i. unfold f, net. f_equal. apply total_ext. intros r _. now rewrite antipode. }
    assert (T := three_points u).
    assert (H0 := Hu (hexagon 0)). assert (H2 := Hu (hexagon 2)). assert (H4 := Hu (hexagon 4)).
    rewrite <- (anti 0%nat) in H0. rewrite <- (anti 2%nat) in H2. rewrite <- (anti 4%nat) in H4.
    assert (A1 : f w (hexagon (4 + 3)) = f w (hexagon 1)).
    { unfold f, net. f_equal. apply total_ext. intros r _.
      rewrite (antipode 4), dot_vscal_r. change (hexagon 4) with (hexagon (1 + 3)).
      rewrite antipode, dot_vscal_r. replace (-1 * (-1 * << w r, hexagon 1 >>))
        with << w r, hexagon 1 >> by ring. reflexivity. }
    rewrite A1 in H4. cbn [total]. unfold alternating. cbn -[f hexagon dot]. cbn [Nat.add] in *.
    lra. }
  (* Jensen for six points *)
  assert (jensen : forall w, phi 0 <= mean 6 (fun i => loss (f w (hexagon i)) (alternating i))).
  { clear w Hrob. intros w. specialize (sum_zero w).
    set (t := fun i => alternating i * f w (hexagon i)) in *.
    change (phi 0 <= mean 6 (fun i => phi (t i))). unfold mean.
    assert (J : forall n, (0 < n)%nat -> INR n * phi (total n t / INR n) <= total n (fun i => phi (t i))).
    { clear -Hphi. induction n as [|n IH]; [lia|]. intros _. destruct n as [|n].
      - simpl. replace ((0 + t O) / 1) with (t O) by field. lra.
      - assert (N : 0 < INR (S n)) by (apply lt_0_INR; lia). specialize (IH ltac:(lia)).
        cbn [total]. cbn [total] in IH. set (T := total n t + t n) in *. rewrite (S_INR (S n)).
        set (N1 := INR (S n)) in *.
        assert (C := Hphi (T / N1) (t (S n)) (1 / (N1 + 1))).
        replace (T / N1 + 1 / (N1 + 1) * (t (S n) - T / N1)) with ((T + t (S n)) / (N1 + 1)) in C
          by (field; lra).
        assert (C' := C ltac:(split; [apply Rdiv_le_0_compat; lra|
          apply Rmult_le_reg_r with (N1 + 1); [lra|];
          unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra])).
        apply (Rmult_le_compat_l (N1 + 1)) in C'; [|lra].
        replace ((N1 + 1) * ((1 - 1 / (N1 + 1)) * phi (T / N1) + 1 / (N1 + 1) * phi (t (S n))))
          with (N1 * phi (T / N1) + phi (t (S n))) in C' by (field; lra). lra. }
    specialize (J 6%nat ltac:(lia)). rewrite sum_zero in J.
    replace (0 / INR 6) with 0 in J by (unfold Rdiv; ring).
    assert (0 < INR 6) by (apply lt_0_INR; lia).
    apply Rmult_le_reg_l with (INR 6); [easy|]. unfold Rdiv.
    rewrite (Rmult_comm (total 6 _)), <- Rmult_assoc, Rinv_r by lra. lra. }
  split; [apply sum_zero|split; [split|split; [|split]]].
  - apply jensen.
  - exact (lem_frozen _ _ loss f 6 alternating B hexagon w robust HB Hrob).
  - intros Hzero.
    assert (E : frozen_loss loss f 6 alternating hexagon w = phi 0).
    { unfold frozen_loss. rewrite <- (mean_const 6 (phi 0)) by lia. apply mean_ext. intros i _.
      unfold loss. rewrite Hzero. f_equal. ring. }
    split; [easy|]. intros g Hg.
    (* the start is a minimum of the loss, along every line *)
    assert (up : forall v, 0 <= << g, v >>).
    { intros v. assert (D := Hg v). apply (is_derive_opp (V := R_NormedModule)) in D.
      apply (slope_le _ _ 0) in D; [change (opp << g, v >>) with (- << g, v >>) in D; lra|].
      intros s Hs. rewrite gradient_start, E. assert (J := jensen (w + s * v)%vec).
      change (- frozen_loss loss f 6 alternating hexagon (w + s * v)%vec - - phi 0 <= s * 0).
      unfold frozen_loss. lra. }
    intros v. assert (U := up v). assert (U' := up (-1 * v)%vec). rewrite dot_vscal_r in U'. lra.
  - apply pseudo_huber_convex.
  - unfold pseudo_huber. f_equal. f_equal. ring.
Qed.
